"""Queries: what their names mean, and where the predicates of their tables are put in."""

from __future__ import annotations

from tenantguard.belonging.permissions import Act
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Token
from tenantguard.sql.text.placing.catalog import Catalog, refusal
from tenantguard.sql.text.placing.predicate_tokens import AND, CLOSE, OPEN, Predicates, plain
from tenantguard.sql.text.placing.scopes import Environment, Placed, Scope, View, derive
from tenantguard.sql.text.tree import Cte, Derived, Joined, Query, Relation, Select, Source, Span, Step
from tenantguard.tenancy import Key, Placement

# names that a table answers to and a query in its place does not
OF_ROWS = {
    SQLITE: frozenset({"rowid", "oid", "_rowid_"}),
    POSTGRESQL: frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}),
    MYSQL: frozenset({"_rowid"}),
}


class Placing:
    """The names and predicates of the queries of one statement.

    Args:
        cursor: the tokens, and what the grammar noted of them.
        catalog: what names mean.
        several: the tenant is a set.

    Attributes:
        edits: the tokens that are put in before a token, in order, by its index.
        cuts: the indexes of tokens that are left out.
        tables: the tables that are named.
        asked: what whoever acts has to be permitted, by table and act.
        stores: the tables with a permission rule that it writes, and the columns that it sets; ``None`` for new rows.
        verbs: what the statement does, in order.
        named: the expressions whose names a result shows.
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
        self.stores: list[tuple[Key, frozenset[str] | None]] = []
        self.verbs: list[str] = []
        self.named: list[Span] = []
        self.cte_names: set[str] = set()
        self.read: dict[int, list[Scope]] = {}
        self._row_names: list[Token] | None = None

    def put(self, index: int, *tokens: Token) -> None:
        """Put tokens in before the token at an index."""
        self.edits.setdefault(index, []).extend(tokens)

    def ask(self, placement: Placement, act: Act) -> None:
        """Note what whoever acts has to be permitted, for one act on one table."""
        if placement.permitted is not None:
            self.asked[placement.name, act] = placement.permitted.needed(act)

    def query(self, query: Query, env: Environment) -> list[Scope]:
        """Place a query with its WITH; return the scope of each of its parts."""
        env = self._with(query, env)
        for nested in query.nested:
            self.query(nested, env)
        if query.write is not None:
            return self.write(query, env)
        scopes: list[Scope] = []
        for part in query.parts:
            scopes += self.query(part, env) if isinstance(part, Query) else [self.select(part, env)]
        self.read[id(query)] = scopes
        return scopes

    def write(self, query: Query, env: Environment) -> list[Scope]:
        """Place a write; a subclass knows how."""
        raise NotImplementedError

    def _with(self, query: Query, env: Environment) -> Environment:
        """Place common table expressions; return what names mean behind them."""
        if not query.ctes:
            return env
        known = dict(env)
        names = [self.catalog.fold(cte.name) for cte in query.ctes]
        self.cte_names.update(names)
        for at, cte in enumerate(query.ctes):
            known[names[at]] = self._cte(cte, {**known, **self._siblings(names[at:], query.recursive)})
        return known

    def _siblings(self, names: list[str], recursive: bool) -> Environment:
        """Return what the name itself and later names mean inside a common table expression.

        On SQLite they always mean the expressions, on PostgreSQL where the WITH is recursive; MySQL and
        MariaDB do so for the name itself, and for later ones it is a matter of version: those are doubtful.
        """
        if self.which == SQLITE or (recursive and self.which == POSTGRESQL):
            return dict.fromkeys(names, View())
        if self.which == POSTGRESQL:
            return {}
        own: Environment = {names[0]: View()} if recursive else {}
        return {**dict.fromkeys(names[1:], None), **own}

    def _cte(self, cte: Cte, env: Environment) -> View:
        return View(self.query(cte.body, env), [self.catalog.fold(column) for column in cte.columns])

    def select(self, select: Select, env: Environment) -> Scope:
        """Place one SELECT."""
        for nested in select.nested:
            self.query(nested, env)
        scope = Scope(items=select.items, width=-1 if select.from_values else 0)
        self.named += select.items
        if select.table_word >= 0:
            self.cuts.add(select.table_word)
            self.put(select.table_word, *plain("SELECT * FROM"))
        self.join_all(select.sources, scope, env)
        self.place(scope, select.where, select.room)
        return scope

    # -- a FROM ----------------------------------------------------------------------------------------

    def join_all(self, sources: list[Joined], scope: Scope, env: Environment) -> None:
        """Place the elements of a FROM; on SQLite a comma joins like any other JOIN, elsewhere it binds less."""
        begun = len(scope.placed)
        for joined in sources:
            self._join(joined, scope, env, begun if self.which == SQLITE else len(scope.placed))

    def _join(self, joined: Joined, scope: Scope, env: Environment, begun: int) -> None:
        """Place one element with what is joined to it; the tables from ``begun`` on stand to the left of its joins."""
        self._source(joined.first, scope, env)
        bound = True
        for step in joined.steps:
            before, known = len(scope.placed), set(scope.names)
            self._join(step.right, scope, env, before)
            left, right = scope.placed[begun:before], scope.placed[before:]
            if step.kind in ("RIGHT", "FULL"):
                self._fill(left, step if bound else None)
                scope.filled |= known
            if step.kind in ("LEFT", "FULL"):
                self._fill(right, step)
                scope.filled |= scope.names - known
            # behind MariaDB's "a JOIN b RIGHT JOIN c ON ... ON ..." the first ON does not see a
            bound = bound and (self.which != MYSQL or step.on is not None)

    def _fill(self, tables: list[Placed], step: Step | None) -> None:
        """Put the predicates of a join's null-extended side into its ON, or in derived tables."""
        tables = [placed for placed in tables if placed.place == "where"]
        if step is None or step.on is None or step.kind == "FULL":
            derive(tables)
            return
        tokens: list[Token] = []
        for placed in tables:
            placed.place = "on"
            predicate = self.predicates.of(placed.placement, placed.qualifier)
            tokens += [AND, *predicate] if predicate else []
        if tokens:
            self.put(step.on[0], OPEN)
            self.put(step.on[1], CLOSE, *tokens)

    def _source(self, source: Source, scope: Scope, env: Environment) -> None:
        scope.width += 1
        if isinstance(source, Relation):
            self.relation(source, scope, env)
            return
        if isinstance(source, Derived):
            self._view(source, scope, env)
        self.once(source.alias, scope)

    def _view(self, source: Derived, scope: Scope, env: Environment) -> None:
        before = len(scope.placed)
        scopes = self.query(source.query, env) if source.query is not None else []
        self.join_all(source.inner, scope, env)
        if source.alias is not None or self.which == SQLITE:
            derive(scope.placed[before:])
        if source.alias is not None:
            columns = [self.catalog.fold(column) for column in source.columns]
            scope.views[self.catalog.fold(source.alias)] = View(scopes, columns)

    def relation(self, source: Relation, scope: Scope, env: Environment) -> None:
        """Place the name of a table, or of a common table expression."""
        self.once(source.word, scope)
        name = self.catalog.fold(source.word)
        if self._is_view(source, scope, env, name):
            return
        placed = Placed(self._placement(source), source, name)
        self.ask(placed.placement, "read")
        if source.columns:
            placed.place = "derived"
        scope.placed.append(placed)

    def _is_view(self, source: Relation, scope: Scope, env: Environment, name: str) -> bool:
        if len(source.parts) > 1:
            return False
        meant = self.catalog.fold(source.parts[0])
        if meant in env:
            view = env[meant]
            if view is None or source.only:
                raise refusal(
                    f"{meant!r} may mean the table or the WITH of that name; give the WITH another name"
                )
            columns = [self.catalog.fold(column) for column in source.columns]
            scope.views[name] = View(view.scopes, columns or view.columns)
            return True
        return self.which == MYSQL and meant == "dual"

    def _placement(self, relation: Relation) -> Placement:
        placement = self.catalog.placement(relation.parts)
        self.tables.add(placement.key)
        return placement

    def once(self, word: Token | None, scope: Scope) -> None:
        """Refuse a name that stands twice in one FROM: a predicate must mean one table."""
        if word is None:
            return
        name = self.catalog.fold(word)
        if name in scope.names:
            raise refusal(f"the name {name!r} stands for two tables in one FROM; give each an alias")
        scope.names.add(name)

    # -- predicates ------------------------------------------------------------------------------------

    def place(self, scope: Scope, where: Span | None, room: int) -> None:
        """Put in the predicates of a scope: in its WHERE, or in derived tables."""
        for placed in scope.placed:
            if placed.place == "derived":
                self._derive(placed)
        self.add_where([placed for placed in scope.placed if placed.place == "where"], where, room)

    def add_where(self, placed: list[Placed], where: Span | None, room: int) -> None:
        """Put predicates into a WHERE, or make one."""
        tokens: list[Token] = []
        for one in placed:
            predicate = self.predicates.of(one.placement, one.qualifier)
            tokens += [AND, *predicate] if predicate else []
        if not tokens:
            return
        if where is None:
            self.put(room, *plain("WHERE"), *tokens[1:])
        else:
            self.put(where[0], OPEN)
            self.put(where[1], CLOSE, *tokens)

    def _derive(self, placed: Placed) -> None:
        """Put a table into a derived table of the tenant's rows."""
        relation = placed.relation
        word = relation.parts[-1]
        predicate = self.predicates.of(placed.placement, Token(word.kind, word.text))
        if not predicate:
            return
        if not relation.plain:
            raise refusal(f"{placed.placement.name} stands in an outer join with a sample or an index hint")
        self._refuse_row_names(placed)
        self.put(relation.span[0], OPEN, *plain("SELECT * FROM"))
        alias = [] if relation.alias is not None else [*plain("AS"), Token(word.kind, word.text)]
        self.put(relation.span[1], *plain("WHERE"), *predicate, CLOSE, *alias)

    def _refuse_row_names(self, placed: Placed) -> None:
        """Refuse the name of a row that a query in the table's place does not have."""
        if self._row_names is None:
            known = OF_ROWS[self.which]
            self._row_names = [
                token for token in self.tokens if token.is_name and self.catalog.fold(token) in known
            ]
        for token in self._row_names:
            if not self.catalog.has_column(placed.placement.key, token):
                raise refusal(
                    f"it reads {token.text} beside {placed.placement.name}, which stands in an outer join; use its key"
                )
