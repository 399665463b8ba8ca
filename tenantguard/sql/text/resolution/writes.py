"""Writes: their tables get predicates, new rows are stamped, and the values for keys are recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tenantguard.errors import CrossTenantError
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.resolution.catalog import Catalog, Watched, refusal
from tenantguard.sql.text.resolution.ownership import Given, by_expression, orphan, shared_write
from tenantguard.sql.text.resolution.predicate_tokens import CLOSE, COMMA, OPEN, TENANT, plain
from tenantguard.sql.text.resolution.queries import Placements
from tenantguard.sql.text.resolution.scopes import Environment, Placed, Scope
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, Token, ascii_lower, unquoted
from tenantguard.sql.text.tree import Assignment, Query, Span, Write
from tenantguard.tenancy import Key, Placement

_CAST_TYPES = {"int": "BIGINT", "UUID": "UUID"}


class Statement(Placements):
    """The names, predicates and values of one statement.

    Attributes:
        given: the values it writes.
        stores: the written tables that have a permission rule, with the columns it sets; ``None`` for new rows.
    """

    def __init__(
        self,
        cursor: Cursor,
        catalog: Catalog,
        parameters: Mapping[int, str | int],
        *,
        several: bool,
        compiled: bool,
    ) -> None:
        super().__init__(cursor, catalog, several=several, compiled=compiled)
        self.given = Given(self, parameters)
        self.stores: list[tuple[Key, frozenset[str] | None]] = []

    def statement(self, query: Query) -> None:
        """Resolve a whole statement.

        Raises:
            Violation: a name is unknown, or the statement writes something that is forbidden or not certain.
        """
        if query.write is None:
            self.verbs.append("select")
        else:
            self.predicates.apart = bool(query.write.emptied)
        self.query(query, {})
        hidden = self.cte_names.intersection(self.predicates.parents)
        if hidden:
            raise refusal(f"a WITH named {hidden.pop()!r} hides a table that a predicate needs; rename it")

    def write(self, query: Query, env: Environment) -> list[Scope]:
        """Resolve a write; return the scope of its RETURNING."""
        write = query.write
        if write is None:
            return []
        self.verbs.append(write.verb)
        scope = Scope()
        if write.target is not None:
            target = self.table(write.target)
            if _looks(write):
                self.ask(target.placement, "read")
            self._writable(write.verb, target.placement)
            scope = Scope([target], {target.name}, width=1)
        if write.verb == "insert":
            self._insert(write, scope.placed[0], env)
        else:
            self._change(write, scope, env)
        if write.returned is None:
            return []
        self.named += write.returned
        scope.items = write.returned
        return [scope]

    def _writable(self, verb: str, placement: Placement) -> None:
        self.ask(placement, "write")
        if placement.kind == "shared" and not placement.writable:
            raise shared_write(verb, placement, self.catalog.ties)

    def _note_stored(self, placement: Placement, names: Iterable[Token] | None) -> None:
        """Record a write to a table with a permission rule.

        Raises:
            RawSQLError: the text goes straight to the driver.
        """
        if placement.has_rows:
            self.predicates.carry_rule(placement)
            columns = None if names is None else frozenset(ascii_lower(unquoted(name.text)) for name in names)
            self.stores.append((placement.key, columns))

    # -- UPDATE and DELETE -----------------------------------------------------------------------------

    def _change(self, write: Write, scope: Scope, env: Environment) -> None:
        beside = Scope(names=scope.names)
        self.join_all(write.body.sources, beside, env)
        scope.placed += beside.placed
        scope.views, scope.filled = beside.views, beside.filled
        scope.width += beside.width
        if write.target is None and any(placed.place == "derived" for placed in scope.placed):
            raise refusal(f"{write.verb.upper()} joins its tables in a form that cannot carry the predicate")
        if write.verb == "update":
            for target, assignments in self._targets(write.assigned, scope):
                self._update(target, assignments, scope)
        for token in write.emptied:  # of MariaDB's DELETE a, b FROM a JOIN b
            matches = [placed for placed in scope.placed if placed.name == self.catalog.fold(token)]
            if len(matches) != 1:
                raise refusal(
                    f"{unquoted(token.text)!r} is to be deleted from, but is not one of the tables read"
                )
            self._writable("delete", matches[0].placement)
        self.place(scope, write.body)

    def _targets(self, assigned: list[Assignment], scope: Scope) -> list[tuple[Placed, list[Assignment]]]:
        """Return the tables that an UPDATE writes, each with its assignments."""
        if self.which != MYSQL or scope.width == 1:
            return [(placed, assigned) for placed in scope.placed[:1]]
        by_table: dict[str, list[Assignment]] = {}
        for assignment in assigned:
            if len(assignment.names) != 2:
                raise refusal(
                    "an UPDATE of several tables does not say whose column it sets; write table.column"
                )
            by_table.setdefault(self.catalog.fold(assignment.names[0]), []).append(assignment)
        placed = {one.name: one for one in scope.placed}
        for name in by_table:
            if name not in placed:
                raise refusal(f"it sets a column of {name!r}, which is not one of its tables")
        return [(placed[name], assignments) for name, assignments in by_table.items()]

    def _update(self, target: Placed, assigned: list[Assignment], scope: Scope) -> None:
        """Record the assignments of an UPDATE to one table."""
        self._writable("update", target.placement)
        named = [(name, one) for one in assigned for name in (one.names[-1:] if one.single else one.names)]
        self._note_stored(target.placement, [name for name, _ in named])
        watched = self.catalog.watched(target.placement)
        spans: dict[str, Span] = {}
        for column, at in self.given.places([name for name, _ in named], watched).items():
            assignment = named[at][1]
            start, end = assignment.value
            if not assignment.single:
                raise by_expression(watched, column)
            is_kept = scope.width == 1 and end - start == 1 and self.catalog.same(self.tokens[start], column)
            if not is_kept:
                spans[column] = assignment.value
        self.given.note(watched, "update", [spans], scope)

    # -- INSERT ----------------------------------------------------------------------------------------

    def _insert(self, write: Write, target: Placed, env: Environment) -> None:
        self._note_stored(target.placement, None)
        watched = self.catalog.watched(target.placement)
        if self.which != SQLITE:  # which cuts nothing off
            self.given.note_tenant(watched, "insert", ())
        if write.columns is None and watched.columns:
            raise refusal(f"an INSERT into {target.placement.name} does not name its columns; name them")
        names = write.columns or []
        places = self.given.places(names, watched)
        missing = self._missing(names, places, watched)
        if missing is not None:
            self._stamp(write, self.catalog.quote(missing))
        if write.query is not None:
            self.verbs.append("select")
            for scope in self.query(write.query, env):
                self._take_rows(write, scope, places, watched, target, missing)
        if any(names and len(row) != len(names) for row, _ in write.rows):
            raise refusal("a row of VALUES and the INSERT have different numbers of columns")
        rows = [{column: row[at] for column, at in places.items()} for row, _ in write.rows]
        self.given.note(watched, "insert", rows, Scope(width=-1))
        for assignments, select in write.conflicts:
            self._keeps(assignments, watched)
            if write.duplicate:
                self._on_duplicate(assignments, target)
            else:
                self.conjoin([target], select.where, select.room)

    def _missing(self, names: list[Token], places: dict[str, int], watched: Watched) -> str | None:
        """Return the tenant column if it is missing from the columns, so that it is stamped."""
        placement = watched.placement
        for column in watched.columns - places.keys() - {watched.tenant}:
            known = self.catalog.column(placement.key, column)
            if known is not None and known.server_default is not None:
                raise refusal(
                    f"column {column} is left to its default, which the guard cannot see; give a value"
                )
        for ours, _ in placement.link if placement.kind == "through" else ():
            if not any(self.catalog.same(name, ours) for name in names):
                raise orphan(placement, ours)
        if watched.tenant is None or watched.tenant in places:
            return None
        if self.several:
            raise refusal(
                f"an INSERT into {placement.name} leaves {placement.column} out while several tenants are bound; "
                "name one of them",
                kind="no_tenant_named",
                table=placement.name,
            )
        return watched.tenant

    def _stamp(self, write: Write, column: Token) -> None:
        """Insert the tenant column, and the tenant into each row of values; a query gets it elsewhere."""
        if write.defaults >= 0:
            self.cuts |= {write.defaults, write.defaults + 1}
            self.put(write.defaults, OPEN, column, *plain(") VALUES ("), TENANT, CLOSE)
            return
        if write.assigned:
            self.put(write.rows[0][1], COMMA, column, *plain("="), TENANT)
            return
        self.put(write.list_end, *([COMMA] if write.columns else []), column)
        for row, end in write.rows:
            self.put(end, *([COMMA] if row else []), TENANT)

    def _take_rows(
        self,
        write: Write,
        scope: Scope,
        places: dict[str, int],
        watched: Watched,
        target: Placed,
        missing: str | None,
    ) -> None:
        """Record the values that a part of its query gives to an INSERT, and add the tenant if it is missing."""
        if scope.width < 0 and watched.columns:
            raise refusal("an INSERT takes its rows from VALUES inside a query; write INSERT ... VALUES")
        if write.duplicate and target.name in scope.names:
            raise refusal(
                f"ON DUPLICATE KEY UPDATE of {target.name}, which the query reads by the same name; give it an "
                "alias there"
            )
        if missing is not None:
            if not scope.items:
                raise refusal(
                    f"the query of an INSERT names no columns, beside which {missing} could be given"
                )
            self.put(scope.items[-1][1], COMMA, *self._typed_tenant(watched.placement))
        for column, at in places.items():
            if any(self.is_star(span) for span in scope.items[: at + 1]):
                raise refusal(f"an INSERT takes {column} from a * of its query; name the columns")
            if at >= len(scope.items):
                raise refusal("an INSERT and its query have different numbers of columns")
        row = {column: scope.items[at] for column, at in places.items()}
        self.given.note(watched, "insert", [row], scope)

    def _typed_tenant(self, placement: Placement) -> list[Token]:
        """Return the tenant as an item of a SELECT, with a cast on PostgreSQL, which cannot infer its type."""
        if self.which != POSTGRESQL:
            return [TENANT]
        kind = placement.python_type.__name__ if placement.python_type is not None else "str"
        return [*plain("CAST f("), TENANT, *plain(f"AS {_CAST_TYPES.get(kind, 'TEXT')} )")]

    # -- ON CONFLICT, ON DUPLICATE KEY -----------------------------------------------------------------

    def _on_duplicate(self, assignments: list[Assignment], target: Placed) -> None:
        """Make each assignment keep the value of another tenant's row, because MariaDB has no WHERE here."""
        if target.placement.kind == "through":
            raise refusal(
                f"ON DUPLICATE KEY UPDATE of {target.placement.name}, which belongs through another table"
            )
        predicate = self.predicates.of(target.placement, target.qualifier)
        for assignment in assignments if predicate else ():
            kept = [target.qualifier, *plain("."), assignment.names[-1].copy()]
            self.put(assignment.value[0], *plain("IF f("), *predicate, COMMA, OPEN)
            self.put(assignment.value[1], CLOSE, COMMA, *kept, CLOSE)

    def _keeps(self, assignments: list[Assignment], watched: Watched) -> None:
        """Refuse a conflict clause that could change the owner of a row, or one of its foreign keys."""
        for assignment in assignments:
            touched = self.given.places(assignment.names, watched)
            if touched and not (assignment.single and self._is_excluded(assignment)):
                raise CrossTenantError(
                    f"the conflict clause of an INSERT into {watched.placement.name} sets {touched.popitem()[0]}; "
                    "there it may only be set to the value that was inserted",
                    kind="upsert",
                    table=watched.placement.name,
                )

    def _is_excluded(self, assignment: Assignment) -> bool:
        name = ascii_lower(unquoted(assignment.names[-1].text))
        start, end = assignment.value
        texts = [ascii_lower(unquoted(token.text)) for token in self.tokens[start : min(end, start + 5)]]
        return texts in (["excluded", ".", name], ["values", "(", name, ")"], ["value", "(", name, ")"])


def _looks(write: Write) -> bool:
    """Tell whether a write can read the rows that it writes: any UPDATE, and any write with a condition."""
    conditional = write.body.where is not None or bool(write.conflicts)
    return write.verb == "update" or conditional or write.returned is not None
