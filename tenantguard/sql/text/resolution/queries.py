"""Queries: the meaning of their names, and the places of the predicates."""

from __future__ import annotations

from collections.abc import Iterable

from tenantguard.placements.permissions import Act
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.resolution.catalog import Catalog, refusal
from tenantguard.sql.text.resolution.predicate_tokens import AND, CLOSE, OPEN, Predicates, plain
from tenantguard.sql.text.resolution.scopes import Environment, Placed, Scope, View
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Token
from tenantguard.sql.text.tree import Joined, Query, Select, Source, Span
from tenantguard.tenancy import Key, Placement

# names that a table has, and a query in its place does not
OF_ROWS = {
    SQLITE: frozenset({"rowid", "oid", "_rowid_"}),
    POSTGRESQL: frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}),
    MYSQL: frozenset({"_rowid"}),
}


class Placements:
    """The names and predicates of the queries of one statement.

    Args:
        cursor: the tokens, with what the grammar has noted.
        catalog: the meaning of names.
        several: a set of tenants is bound.
        compiled: the text is SQLAlchemy's ``text()``.

    Attributes:
        edits: the tokens to insert before a token, in order, by its index.
        cuts: the indexes of tokens to leave out.
        tables: the tables that are named.
        asked: the permissions that the principal needs, by table and act.
        verbs: the acts of the statement, in order.
        named: the expressions that name columns of the result.
        read: what each part of a query reads, by the query's identity.
    """

    def __init__(self, cursor: Cursor, catalog: Catalog, *, several: bool, compiled: bool) -> None:
        self.cursor = cursor
        self.tokens = cursor.tokens
        self.which = cursor.which
        self.catalog = catalog
        self.several = several
        self.predicates = Predicates(catalog, several=several, compiled=compiled)
        self.edits: dict[int, list[Token]] = {}
        self.cuts: set[int] = set()
        self.tables: set[Key] = set()
        self.asked: dict[tuple[str, str], frozenset[str]] = {}
        self.verbs: list[str] = []
        self.named: list[Span] = []
        self.cte_names: set[str] = set()
        self.read: dict[int, list[Scope]] = {}
        self._row_names: list[Token] | None = None

    def put(self, index: int, *tokens: Token) -> None:
        """Insert tokens before the token at an index."""
        self.edits.setdefault(index, []).extend(tokens)

    def is_star(self, span: Span) -> bool:
        """Tell whether an item of a SELECT stands for every column."""
        return self.tokens[span[1] - 1].text == "*"

    def query(self, query: Query, env: Environment) -> list[Scope]:
        """Resolve a query with its WITH; return the scope of each part."""
        if query.ctes:
            env = self._with(query, dict(env))
        for nested in query.nested:
            self.query(nested, env)
        scopes: list[Scope] = [] if query.write is None else self.write(query, env)
        for part in query.parts:
            scopes += self.query(part, env) if isinstance(part, Query) else [self._select(part, env)]
        self.read[id(query)] = scopes
        return scopes

    def write(self, query: Query, env: Environment) -> list[Scope]:
        """Resolve a write; a subclass knows how."""
        raise NotImplementedError

    def _with(self, query: Query, known: Environment) -> Environment:
        """Resolve common table expressions; return the meaning of names after them."""
        names = [self.catalog.fold(cte.name) for cte in query.ctes]
        self.cte_names.update(names)
        for at, cte in enumerate(query.ctes):
            scopes = self.query(cte.body, {**known, **self._siblings(names[at:], query.recursive)})
            known[names[at]] = View(scopes, [self.catalog.fold(column) for column in cte.columns])
        return known

    def _siblings(self, names: list[str], recursive: bool) -> Environment:
        """Return the meaning of its own name and of later names inside a common table expression.

        They mean the expressions, on SQLite always, on PostgreSQL if the WITH is recursive. So does its own name on
        MySQL and MariaDB, but there later names depend on the version and are doubtful.
        """
        if self.which == SQLITE or (recursive and self.which == POSTGRESQL):
            return dict.fromkeys(names, View())
        if self.which == POSTGRESQL:
            return {}
        return {**dict.fromkeys(names[1:], None), **({names[0]: View()} if recursive else {})}

    def _select(self, select: Select, env: Environment) -> Scope:
        for nested in select.nested:
            self.query(nested, env)
        scope = Scope(items=select.items, width=-1 if select.from_values else 0)
        self.named += select.items
        if select.table_word >= 0:
            self.cuts.add(select.table_word)
            self.put(select.table_word, *plain("SELECT * FROM"))
        self.join_all(select.sources, scope, env)
        self.place(scope, select)
        return scope

    # -- a FROM ----------------------------------------------------------------------------------------

    def join_all(self, sources: list[Joined], scope: Scope, env: Environment) -> None:
        """Resolve the elements of a FROM; a comma is a JOIN on SQLite, and binds less tightly elsewhere."""
        first = len(scope.placed)
        for joined in sources:
            self._join(joined, scope, env, first if self.which == SQLITE else len(scope.placed))

    def _join(self, joined: Joined, scope: Scope, env: Environment, first: int) -> None:
        """Resolve an element with its joins; the tables from ``first`` on are to the left of them."""
        self._source(joined.first, scope, env)
        bound = True
        for step in joined.steps:
            before, known = len(scope.placed), set(scope.names)
            self._join(step, scope, env, before)
            left, right = scope.placed[first:before], scope.placed[before:]
            if step.kind in ("RIGHT", "FULL"):
                self._fill(left, step, bound=bound)
                scope.filled |= known
            if step.kind in ("LEFT", "FULL"):
                self._fill(right, step)
                scope.filled |= scope.names - known
            # in MariaDB's "a JOIN b RIGHT JOIN c ON ... ON ..." the first ON does not see a
            bound = bound and (self.which != MYSQL or step.on is not None)

    def _fill(self, tables: list[Placed], step: Joined, *, bound: bool = True) -> None:
        """Put the predicates of a join's nullable side into its ON or into derived tables."""
        tables = [placed for placed in tables if placed.place == "where"]
        is_on = bound and step.on is not None and step.kind != "FULL"
        for placed in tables:
            placed.place = "on" if is_on else "derived"
        if is_on:
            self.conjoin(tables, step.on)

    def _source(self, source: Source, scope: Scope, env: Environment) -> None:
        scope.width += 1
        if source.parts:
            self._named(source, scope, env)
            return
        before = len(scope.placed)
        scopes = self.query(source.query, env) if source.query is not None else []
        self.join_all(source.inner, scope, env)
        if source.alias is not None or self.which == SQLITE:
            for placed in scope.placed[before:]:
                placed.place = "derived" if placed.place == "where" else placed.place
        if source.alias is not None:
            if source.query is not None or source.inner:
                self._view(source, View(scopes), scope)
            self._once(source.alias, scope)

    def _named(self, source: Source, scope: Scope, env: Environment) -> None:
        """Resolve the name of a table or a common table expression."""
        self._once(source.word, scope)
        name = self.catalog.fold(source.parts[0]) if len(source.parts) == 1 else None
        if name in env:
            view = env[name]
            if view is None or source.only:
                raise refusal(
                    f"{name!r} may mean the table or the WITH of that name; give the WITH another name"
                )
            self._view(source, view, scope)
        elif self.which != MYSQL or name != "dual":
            placed = self.table(source)
            self.ask(placed.placement, "read")
            if source.columns:
                placed.place = "derived"
            scope.placed.append(placed)

    def _view(self, source: Source, view: View, scope: Scope) -> None:
        columns = [self.catalog.fold(column) for column in source.columns]
        scope.views[self.catalog.fold(source.word)] = View(view.scopes, columns or view.columns)

    def table(self, source: Source) -> Placed:
        """Record a table that is named."""
        placed = Placed(self.catalog.placement(source.parts), source, self.catalog.fold(source.word))
        self.tables.add(placed.placement.key)
        return placed

    def ask(self, placement: Placement, act: Act) -> None:
        """Record the permissions that the principal needs for one act on one table."""
        if placement.permitted is not None:
            self.asked[placement.name, act] = placement.permitted.needed(act)

    def _once(self, word: Token, scope: Scope) -> None:
        """Refuse a name that is used twice in one FROM, because a predicate must mean one table."""
        name = self.catalog.fold(word)
        if name in scope.names:
            raise refusal(f"the name {name!r} stands for two tables in one FROM; give each an alias")
        scope.names.add(name)

    # -- predicates ------------------------------------------------------------------------------------

    def place(self, scope: Scope, select: Select) -> None:
        """Put the predicates of a scope into its WHERE or into derived tables."""
        for placed in scope.placed:
            if placed.place == "derived":
                self._derive(placed)
        self.conjoin((one for one in scope.placed if one.place == "where"), select.where, select.room)

    def conjoin(self, tables: Iterable[Placed], condition: Span | None, room: int = -1) -> None:
        """Add the predicates of tables to a condition, or in a WHERE of their own."""
        tokens: list[Token] = []
        for placed in tables:
            predicate = self.predicates.of(placed.placement, placed.qualifier)
            tokens += [AND, *predicate] if predicate else []
        if not tokens:
            return
        if condition is None:
            self.put(room, *plain("WHERE"), *tokens[1:])
        else:
            self.put(condition[0], OPEN)
            self.put(condition[1], CLOSE, *tokens)

    def _derive(self, placed: Placed) -> None:
        """Replace a table by a derived table of the tenant's rows."""
        source = placed.source
        word = source.parts[-1].copy()
        predicate = self.predicates.of(placed.placement, word)
        if not predicate:
            return
        if not source.plain:
            raise refusal(f"{placed.placement.name} stands in an outer join with a sample or an index hint")
        self._refuse_row_names(placed)
        self.put(source.span[0], OPEN, *plain("SELECT * FROM"))
        alias = [] if source.alias is not None else [*plain("AS"), word]
        self.put(source.span[1], *plain("WHERE"), *predicate, CLOSE, *alias)

    def _refuse_row_names(self, placed: Placed) -> None:
        """Refuse names such as rowid, which a query in the table's place does not have."""
        if self._row_names is None:
            known = OF_ROWS[self.which]
            self._row_names = [t for t in self.tokens if t.is_name and self.catalog.fold(t) in known]
        for token in self._row_names:
            if not self.catalog.columns(placed.placement.key, token):
                raise refusal(
                    f"it reads {token.text} beside {placed.placement.name}, which stands in an outer join; use its key"
                )
