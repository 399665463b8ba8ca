"""Read an INSERT: stamped where it leaves the tenant out, and noted what it gives."""

from __future__ import annotations

from tenantguard.sql.text.conflicts import Conflicts
from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Frame, Source, Span
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, Lexeme
from tenantguard.sql.text.names import TENANT, Piece, refusal
from tenantguard.sql.text.targets import Watched, orphan
from tenantguard.sql.text.values import Literal, Value
from tenantguard.tenancy import Key, Placement, full_name

_CAST_TYPES = {"int": "BIGINT", "UUID": "UUID"}


class Inserts(Conflicts):
    """Read an INSERT."""

    _list_end: int

    def _insert(self, env: Environment) -> list[Frame]:
        self.expect("INSERT")
        while self.token().upper in ("OR", "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"):
            if self.took("OR", "REPLACE"):
                raise refusal("INSERT OR REPLACE deletes whatever row holds the key, another tenant's too")
            self.at += 2 if self.sees("OR") else 1
        if not self.took("INTO") and self.which != MYSQL:
            raise self.unexpected("INTO was expected")
        target = self._target("insert")
        watched = self._watched(target.placement)
        if self.which == MYSQL and self.took("SET"):
            self._insert_set(env, target, watched)
        else:
            self._insert_rows(env, target, watched)
        self._conflicts(env, target, watched)
        return self._returning(env, Frame([target], {target.name}, width=1))

    def _insert_rows(self, env: Environment, target: Source, watched: Watched) -> None:
        if self.took("DEFAULT", "VALUES"):
            self._insert_defaults(target, watched)
            return
        columns = None
        if self.sees("(") and not self._query_ahead():
            columns = self._column_list()
        if columns is None and watched.columns():
            raise refusal(f"an INSERT into {target.placement.name} does not name its columns; name them")
        if self.took("OVERRIDING"):
            self.at += 1
            self.expect("VALUE")
        names = [] if columns is None else columns
        missing = self._missing(names, watched)
        if missing:
            comma = ", " if names else ""
            self.put(self._list_end, f"{comma}{self.names.quote(missing)}")
        if self.took("VALUES") or (self.which == MYSQL and self.took("VALUE")):
            self._rows(env, names, watched, missing)
        else:
            self._insert_query(env, names, watched, missing)

    def _column_list(self) -> list[Lexeme]:
        if self.took("(", ")"):
            self._list_end = self.tokens[self.at - 1].start
            return []
        found = self.names_in_parentheses()
        self._list_end = self.tokens[self.at - 1].start
        return found

    def _missing(self, names: list[Lexeme], watched: Watched) -> str | None:
        """Return the tenant column where a list of columns leaves it out, to be stamped."""
        for column in watched.columns():
            if sum(self.names.same(name, column) for name in names) > 1:
                raise refusal(f"column {column} is given twice")
        placement = watched.placement
        if placement.kind == "through":
            for ours, _ in placement.link:
                if not any(self.names.same(name, ours) for name in names):
                    raise orphan(placement, ours)
        if watched.tenant is None or any(self.names.same(name, watched.tenant) for name in names):
            return None
        self._one_tenant(placement)
        return watched.tenant

    def _one_tenant(self, placement: Placement) -> None:
        if self.names.several:
            raise refusal(
                f"an INSERT into {placement.name} leaves {placement.column} out while several tenants are bound; "
                "name one of them",
                kind="no_tenant_named",
                table=placement.name,
            )

    def _insert_defaults(self, target: Source, watched: Watched) -> None:
        if target.placement.kind == "through":
            raise orphan(target.placement, target.placement.link[0][0])
        if watched.tenant is None:
            return
        self._one_tenant(target.placement)
        for token in self.tokens[self.at - 2 : self.at]:
            self.cuts.add(token.start)
        column = self.names.quote(watched.tenant)
        self.put(self.start(self.at - 2), f"({column}) VALUES (", TENANT, ")")

    def _rows(self, env: Environment, names: list[Lexeme], watched: Watched, missing: str | None) -> None:
        rows: list[list[Span]] = []
        while True:
            self.expect("(")
            row = [] if self.sees(")") else self.items(env)
            self.expect(")")
            if len(row) != len(names) and names:
                raise refusal("a row of VALUES has another number of values than the INSERT has columns")
            if missing:
                self.put(self.tokens[self.at - 1].start, ", " if row else "", TENANT)
            rows.append(row)
            if not self.took(","):
                break
        self._watch(names, rows, watched, "insert", Frame(width=-1))

    def _insert_query(
        self, env: Environment, names: list[Lexeme], watched: Watched, missing: str | None
    ) -> None:
        self.verbs.append("select")
        frames = self.query(env)
        for frame in frames:
            if frame.width < 0 and watched.columns():
                raise refusal("an INSERT takes its rows from VALUES inside a query; write INSERT ... VALUES")
            if missing:
                if not frame.items:
                    raise refusal(
                        f"the query of an INSERT names no columns, beside which {missing} could be given"
                    )
                self.put(self.end(frame.items[-1][1]), ", ", *self._stamp(watched.placement))
            self._watch(names, [frame.items], watched, "insert", frame)

    def _stamp(self, placement: Placement) -> list[Piece]:
        """Return the tenant as an item of a SELECT, where PostgreSQL cannot tell its type by itself."""
        kind = placement.python_type.__name__ if placement.python_type is not None else "str"
        if self.which != POSTGRESQL:
            return [TENANT]
        return ["CAST(", TENANT, f" AS {_CAST_TYPES.get(kind, 'TEXT')})"]

    def _insert_set(self, env: Environment, target: Source, watched: Watched) -> None:
        assignments = self._assignments(env)
        names = [assignment.names[-1] for assignment in assignments]
        missing = self._missing(names, watched)
        self._watch(names, [[a.value for a in assignments]], watched, "insert", Frame(width=-1))
        if missing:
            self.put(self.end(self.at), f", {self.names.quote(missing)} = ", TENANT)

    def _watch(
        self, names: list[Lexeme], rows: list[list[Span]], watched: Watched, verb: str, frame: Frame
    ) -> None:
        """Note what must be verified of the rows that an INSERT gives."""
        place = {column: self._index(names, column) for column in watched.columns()}
        placement = watched.placement
        if watched.tenant is not None and (at := place[watched.tenant]) is not None:
            given = [self._given(row, at, frame, placement.key, watched.tenant) for row in rows]
            self._note_tenant(placement, watched.tenant, verb, given)
        for parent, pairs in watched.links:
            self._watch_link(rows, place, placement, (parent, pairs), verb, frame)

    def _watch_link(
        self,
        rows: list[list[Span]],
        place: dict[str, int | None],
        placement: Placement,
        link: tuple[Key, tuple[tuple[str, str], ...]],
        verb: str,
        frame: Frame,
    ) -> None:
        parent, pairs = link
        at = [place[ours] for ours, _ in pairs]
        if all(index is None for index in at):
            return
        keys: list[tuple[Value, ...]] = []
        for row in rows:
            values = [
                self._given(row, index, frame, parent, theirs) if index is not None else Literal(None)
                for index, (_, theirs) in zip(at, pairs, strict=True)
            ]
            known = tuple(value for value in values if value is not None)
            if len(known) == len(values):
                keys.append(known)
            elif known:
                raise refusal(f"a key of {full_name(parent)} is given half by value and half by a query")
        self._note_key(placement, parent, pairs, verb, keys)

    def _given(self, row: list[Span], at: int, frame: Frame, key: Key, column: str) -> Value | None:
        """Return the value that a row gives, or ``None`` where it comes from the tenant's own rows.

        Raises:
            RawSQLError: what is given cannot be told before the statement is executed.
        """
        if frame.width >= 0 and any(self._is_star(span) for span in row[: at + 1]):
            raise refusal(f"an INSERT takes {column} from a * of its query; name the columns")
        if at >= len(row):
            raise refusal("an INSERT has another number of columns than its query")
        span = row[at]
        value = self._value(span)
        if value is not None:
            return value
        if self._own(span, frame, key, column):
            return None
        raise refusal(
            f"{column} is given by an expression; give a value, a parameter or a column of its own table"
        )
