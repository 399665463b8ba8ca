"""Writes: their tables are predicated like those of a query, new rows are stamped, and what is given is noted."""

from __future__ import annotations

from collections.abc import Mapping

from tenantguard.errors import CrossTenantError
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Token, ascii_lower, unquoted
from tenantguard.sql.text.placing.catalog import Catalog, Link, refusal
from tenantguard.sql.text.placing.origins import Origins, Wanted
from tenantguard.sql.text.placing.ownership import Given, Watched, orphan, shared_write
from tenantguard.sql.text.placing.predicate_tokens import CLOSE, COMMA, OPEN, TENANT, plain
from tenantguard.sql.text.placing.queries import OF_ROWS, Placing
from tenantguard.sql.text.placing.scopes import Environment, Placed, Scope
from tenantguard.sql.text.tree import Assignment, Query, Relation, Span, Write
from tenantguard.sql.text.values import Literal, Value
from tenantguard.tenancy import Placement

_CAST_TYPES = {"int": "BIGINT", "UUID": "UUID"}


class Statement(Placing):
    """The names, predicates and values of one statement."""

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
        self.given = Given(self.tokens, catalog, parameters)
        self._origins = Origins(self)

    def statement(self, query: Query) -> None:
        """Place a whole statement.

        Raises:
            Violation: a name in it is unknown, or it writes what no tenant may write or what cannot be told.
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
        """Place a write; return what its RETURNING gives."""
        write = query.write
        if write is None:
            return []
        self.verbs.append(write.verb)
        if write.target is not None and _looks(write):
            self.ask(self._placement(write.target), "read")
        if write.verb == "insert" and write.target is not None:
            scope = self._insert(write, write.target, env)
        else:
            scope = self._change(write, env)
        if write.returned is None:
            return []
        self.named += write.returned
        scopes = [
            Scope(
                scope.placed, width=scope.width, items=write.returned, views=scope.views, filled=scope.filled
            )
        ]
        self.read[id(query)] = scopes
        return scopes

    def _target(self, verb: str, relation: Relation) -> Placed:
        """Place the table that a statement writes; a common table expression cannot be one."""
        placed = Placed(self._placement(relation), relation, self.catalog.fold(relation.word))
        self._writable(verb, placed.placement)
        return placed

    def _writable(self, verb: str, placement: Placement) -> None:
        self.ask(placement, "write")
        if placement.kind == "shared" and not placement.writable:
            raise shared_write(verb, placement, self.catalog.ties)

    # -- UPDATE and DELETE -----------------------------------------------------------------------------

    def _change(self, write: Write, env: Environment) -> Scope:
        scope = Scope()
        if write.target is not None:
            target = self._target(write.verb, write.target)
            scope.placed, scope.names, scope.width = [target], {target.name}, 1
        alone = write.target is not None and not write.body.sources
        beside = Scope(names=scope.names)
        self.join_all(write.body.sources, beside, env)
        scope.placed += beside.placed
        scope.views, scope.filled = beside.views, beside.filled
        scope.width += beside.width
        if write.target is None:
            alone = scope.width == 1
            if any(placed.place == "derived" for placed in scope.placed):
                raise refusal(
                    f"{write.verb.upper()} joins its tables in a form that cannot carry the predicate"
                )
        if write.verb == "update":
            self._assigned(write.assigned, scope, alone=alone)
        for token in write.emptied:
            self._emptied(token, scope)
        self.place(scope, write.body.where, write.body.room)
        return scope

    def _emptied(self, token: Token, scope: Scope) -> None:
        """Look at a table that MariaDB's ``DELETE a, b FROM a JOIN b`` empties."""
        meant = [placed for placed in scope.placed if placed.name == self.catalog.fold(token)]
        if len(meant) != 1:
            raise refusal(
                f"{unquoted(token.text)!r} is to be deleted from, but is not one of the tables read"
            )
        self._writable("delete", meant[0].placement)

    def _assigned(self, assignments: list[Assignment], scope: Scope, *, alone: bool) -> None:
        """Note what an UPDATE sets, and verify that it may write the tables whose columns it sets."""
        for target in self._targets(assignments, scope):
            self._writable("update", target.placement)
            self._note_stored(target.placement, [name for one in assignments for name in _columns(one)])
            watched = self.given.watched(target.placement)
            mine: dict[str, Value | None] = {}
            for assignment in assignments:
                self._named_in_full(assignment.names, target.placement)
                for name in assignment.names:
                    for column in (c for c in watched.columns() if self.catalog.same(name, c)):
                        mine[column] = self._assigned_value(assignment, column, watched, scope, alone=alone)
            self._note_update(mine, watched)

    def _note_stored(self, placement: Placement, names: list[Token] | None) -> None:
        """Note that rows are written of which a permission rule grants some alone.

        Raises:
            RawSQLError: the text is sent straight to the driver.
        """
        if placement.has_rows:
            self.predicates.carry_rule(placement)
            columns = None if names is None else frozenset(ascii_lower(unquoted(name.text)) for name in names)
            self.stores.append((placement.key, columns))

    def _named_in_full(self, names: list[Token], placement: Placement) -> None:
        """Refuse to write what the database itself calls a row's key, or its place: it may be a verified column."""
        for name in names:
            if ascii_lower(unquoted(name.text)) in OF_ROWS[self.which] and not self.catalog.has_column(
                placement.key, name
            ):
                raise refusal(
                    f"{unquoted(name.text)!r} is the database's own name for a row of {placement.name}, which is not "
                    "written; name a column"
                )

    def _targets(self, assignments: list[Assignment], scope: Scope) -> list[Placed]:
        if self.which != MYSQL:
            return scope.placed[:1]
        if scope.width == 1:
            return scope.placed
        found: dict[str, Placed] = {}
        for assignment in assignments:
            if len(assignment.names) != 2:
                raise refusal(
                    "an UPDATE of several tables does not say whose column it sets; write table.column"
                )
            name = self.catalog.fold(assignment.names[0])
            meant = [placed for placed in scope.placed if placed.name == name]
            if not meant:
                raise refusal(f"it sets a column of {name!r}, which is not one of its tables")
            found[name] = meant[0]
        return list(found.values())

    def _assigned_value(
        self, assignment: Assignment, column: str, watched: Watched, scope: Scope, *, alone: bool
    ) -> Value | None:
        """Return the value that a SET gives, or ``None`` where it comes from the tenant's own rows."""
        span, placement = assignment.value, watched.placement
        tenant = column == watched.tenant
        if assignment.single:
            value = self.given.value(span, placement, column)
            if value is not None and not (tenant and value == Literal(None)):
                return value
            if alone and span[1] - span[0] == 1 and self.catalog.same(self.tokens[span[0]], column):
                return None  # the row's own value
            if value is None and not tenant and self._leads_to_own(span, column, watched, scope):
                return None
        raise self._expression(placement, column)

    def _expression(self, placement: Placement, column: str) -> Exception:
        return refusal(
            f"{placement.name}.{column} is given by an expression; bind a parameter, or copy the column of a table "
            "that an inner join reads"
        )

    def _leads_to_own(self, value: Span, column: str, watched: Watched, scope: Scope) -> bool:
        """Tell whether what is set can only be the key of a parent of the tenant's own, for each parent it names."""
        links = [link for link in watched.links if any(ours == column for ours, _ in link[1])]
        return all(
            len(link[1]) == 1
            and self._origins.is_own(value, scope, (link[0], link[1][0][1], watched.is_needed(link)))
            for link in links
        )

    def _note_update(self, mine: dict[str, Value | None], watched: Watched) -> None:
        if watched.tenant in mine:
            self.given.note_tenant(watched, "update", [mine[watched.tenant]])
        for link in watched.links:
            key = self.given.note_keys(watched, link, "update", [mine.get(ours) for ours, _ in link[1]])
            if key:
                self.given.note_key(watched, link, "update", [key])

    # -- INSERT ----------------------------------------------------------------------------------------

    def _insert(self, write: Write, relation: Relation, env: Environment) -> Scope:
        target = self._target(write.verb, relation)
        self._note_stored(target.placement, None)
        watched = self.given.watched(target.placement)
        if self.which != SQLITE:  # which cuts nothing off
            self.given.note_row(watched)
        if write.defaults >= 0:
            self._insert_defaults(write, watched)
        elif write.assigned:
            self._insert_set(write, watched)
        else:
            self._insert_rows(write, watched, target, env)
        for assignments, where, room in write.conflicts:
            self._keeps(assignments, watched)
            if write.duplicate:
                self._on_duplicate(assignments, target)
            else:
                self.add_where([target], where, room)
        return Scope([target], {target.name}, width=1)

    def _insert_rows(self, write: Write, watched: Watched, target: Placed, env: Environment) -> None:
        if write.columns is None and watched.columns():
            raise refusal(f"an INSERT into {target.placement.name} does not name its columns; name them")
        names = write.columns or []
        missing = self._missing(names, watched)
        if missing is not None:
            self.put(write.list_end, *([COMMA] if names else []), self.catalog.quote(missing))
        if write.query is not None:
            self._insert_query(write.query, names, watched, target, env, missing, duplicate=write.duplicate)
            return
        for row, end in write.rows:
            if len(row) != len(names) and names:
                raise refusal("a row of VALUES and the INSERT have different numbers of columns")
            if missing is not None:
                self.put(end, *([COMMA] if row else []), TENANT)
        self._watch(names, [row for row, _ in write.rows], watched, Scope(width=-1))

    def _missing(self, names: list[Token], watched: Watched) -> str | None:
        """Return the tenant column where a list of columns leaves it out, to be stamped."""
        self._named_in_full(names, watched.placement)
        given = {
            column: sum(self.catalog.same(name, column) for name in names) for column in watched.columns()
        }
        for column, times in given.items():
            if times > 1:
                raise refusal(f"column {column} is given twice")
            known = self.catalog.column(watched.placement.key, column)
            if (
                not times
                and column != watched.tenant
                and known is not None
                and known.server_default is not None
            ):
                raise refusal(
                    f"column {column} is left to its default, which the guard cannot see; give a value"
                )
        placement = watched.placement
        if placement.kind == "through":
            for ours, _ in placement.link:
                if not given.get(ours) and not any(self.catalog.same(name, ours) for name in names):
                    raise orphan(placement, ours)
        if watched.tenant is None or given[watched.tenant]:
            return None
        self._one_tenant(placement)
        return watched.tenant

    def _one_tenant(self, placement: Placement) -> None:
        if self.several:
            raise refusal(
                f"an INSERT into {placement.name} leaves {placement.column} out while several tenants are bound; "
                "name one of them",
                kind="no_tenant_named",
                table=placement.name,
            )

    def _insert_defaults(self, write: Write, watched: Watched) -> None:
        missing = self._missing([], watched)
        if missing is not None:
            self.cuts |= {write.defaults, write.defaults + 1}
            self.put(
                write.defaults,
                OPEN,
                self.catalog.quote(missing),
                CLOSE,
                *plain("VALUES"),
                OPEN,
                TENANT,
                CLOSE,
            )

    def _insert_set(self, write: Write, watched: Watched) -> None:
        names = [assignment.names[-1] for assignment in write.assigned]
        missing = self._missing(names, watched)
        self._watch(names, [[a.value for a in write.assigned]], watched, Scope(width=-1))
        if missing is not None:
            end = write.assigned[-1].value[1]
            self.put(end, COMMA, self.catalog.quote(missing), *plain("="), TENANT)

    def _insert_query(
        self,
        query: Query,
        names: list[Token],
        watched: Watched,
        target: Placed,
        env: Environment,
        missing: str | None,
        *,
        duplicate: bool,
    ) -> None:
        self.verbs.append("select")
        for scope in self.query(query, env):
            if scope.width < 0 and watched.columns():
                raise refusal("an INSERT takes its rows from VALUES inside a query; write INSERT ... VALUES")
            if duplicate and target.name in scope.names:
                raise refusal(
                    f"ON DUPLICATE KEY UPDATE of {target.name}, which the query reads by the same name; give it an "
                    "alias there"
                )
            if missing is not None:
                if not scope.items:
                    raise refusal(
                        f"the query of an INSERT names no columns, beside which {missing} could be given"
                    )
                self.put(scope.items[-1][1], COMMA, *self._stamp(watched.placement))
            self._watch(names, [scope.items], watched, scope)

    def _stamp(self, placement: Placement) -> list[Token]:
        """Return the tenant as an item of a SELECT, where PostgreSQL cannot tell its type by itself."""
        if self.which != POSTGRESQL:
            return [TENANT]
        kind = placement.python_type.__name__ if placement.python_type is not None else "str"
        return [*plain("CAST f("), TENANT, *plain(f"AS {_CAST_TYPES.get(kind, 'TEXT')} )")]

    def _watch(self, names: list[Token], rows: list[list[Span]], watched: Watched, scope: Scope) -> None:
        """Note what must be verified of the rows that an INSERT gives."""
        place = {
            column: next((at for at, name in enumerate(names) if self.catalog.same(name, column)), None)
            for column in watched.columns()
        }
        if watched.tenant is not None and (at := place[watched.tenant]) is not None:
            wanted: Wanted = (watched.placement.key, watched.tenant, True)
            given = [self._given(row, at, watched.tenant, watched, scope, wanted) for row in rows]
            self.given.note_tenant(watched, "insert", given)
        for link in watched.links:
            self._watch_link(rows, place, watched, link, scope)

    def _watch_link(
        self,
        rows: list[list[Span]],
        place: dict[str, int | None],
        watched: Watched,
        link: Link,
        scope: Scope,
    ) -> None:
        parent, pairs = link
        at = [(place[ours], ours, theirs) for ours, theirs in pairs]
        if all(index is None for index, _, _ in at):
            return
        keys: list[tuple[Value, ...]] = []
        for row in rows:
            values = [
                self._given(row, index, ours, watched, scope, (parent, theirs, watched.is_needed(link)))
                if index is not None
                else Literal(None)
                for index, ours, theirs in at
            ]
            key = self.given.note_keys(watched, link, "insert", values)
            keys += [key] if key else []
        self.given.note_key(watched, link, "insert", keys)

    def _given(
        self, row: list[Span], at: int, column: str, watched: Watched, scope: Scope, wanted: Wanted
    ) -> Value | None:
        """Return the value that a row gives, or ``None`` where it comes from the tenant's own rows.

        Raises:
            RawSQLError: what is given cannot be told before the statement is executed.
        """
        if scope.width >= 0 and any(self._origins.is_star(span) for span in row[: at + 1]):
            raise refusal(f"an INSERT takes {column} from a * of its query; name the columns")
        if at >= len(row):
            raise refusal("an INSERT and its query have different numbers of columns")
        value = self.given.value(row[at], watched.placement, column)
        if value is not None:
            return value
        if self._origins.is_own(row[at], scope, wanted):
            return None
        raise self._expression(watched.placement, column)

    # -- ON CONFLICT, ON DUPLICATE KEY -----------------------------------------------------------------

    def _on_duplicate(self, assignments: list[Assignment], target: Placed) -> None:
        """Let each assignment keep what another tenant's row holds; MariaDB has no WHERE here."""
        if target.placement.kind == "through":
            raise refusal(
                f"ON DUPLICATE KEY UPDATE of {target.placement.name}, which belongs through another table"
            )
        predicate = self.predicates.of(target.placement, target.qualifier)
        for assignment in assignments if predicate else ():
            name = assignment.names[-1]
            kept = [target.qualifier, *plain("."), Token(name.kind, name.text)]
            self.put(assignment.value[0], *plain("IF f("), *predicate, COMMA, OPEN)
            self.put(assignment.value[1], CLOSE, COMMA, *kept, CLOSE)

    def _keeps(self, assignments: list[Assignment], watched: Watched) -> None:
        """Refuse a conflict clause that could move a row, or point it at another tenant's, unseen."""
        columns = watched.columns()
        for assignment in assignments:
            self._named_in_full(assignment.names, watched.placement)
            touched = {c for c in columns for name in assignment.names if self.catalog.same(name, c)}
            if touched and not (assignment.single and self._is_excluded(assignment)):
                raise CrossTenantError(
                    f"the conflict clause of an INSERT into {watched.placement.name} sets {touched.pop()}; there it "
                    "may only be set to the value that was inserted",
                    kind="upsert",
                    table=watched.placement.name,
                )

    def _is_excluded(self, assignment: Assignment) -> bool:
        name = ascii_lower(unquoted(assignment.names[-1].text))
        begun, end = assignment.value
        texts = [ascii_lower(unquoted(token.text)) for token in self.tokens[begun : min(end, begun + 5)]]
        return texts in (["excluded", ".", name], ["values", "(", name, ")"], ["value", "(", name, ")"])


def _columns(assignment: Assignment) -> list[Token]:
    """Return the columns that a SET names, without the table in front of one."""
    return assignment.names[-1:] if assignment.single else assignment.names


def _looks(write: Write) -> bool:
    """Tell whether a write can look at the rows that it writes: any UPDATE can, and whatever has a condition."""
    conditional = write.body.where is not None or bool(write.conflicts)
    return write.verb == "update" or conditional or write.returned is not None
