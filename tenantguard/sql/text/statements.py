"""Read a whole statement: a query, or a write whose target is predicated, stamped and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tenantguard.errors import CrossTenantError
from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Frame, Source, Span
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, Lexeme, ascii_lower, unquoted
from tenantguard.sql.text.names import TENANT, Names, Piece, literal, refusal, shared_write
from tenantguard.sql.text.queries import Queries
from tenantguard.sql.text.values import Check, ForeignKeyUse, Literal, Parameter, TenantUse, Value
from tenantguard.tenancy import Key, Placement, full_name

_HARMLESS_CASTS = ("uuid", "int", "integer", "bigint", "smallint", "int4", "int8", "text", "varchar")
_CAST_TYPES = {"int": "BIGINT", "UUID": "UUID"}


@dataclass
class Assignment:
    """Hold one ``column = value`` of a SET: every name on its left, and the value."""

    names: list[Lexeme]
    value: Span
    single: bool


@dataclass
class Watched:
    """Hold the columns of a table whose values decide whose a row is."""

    placement: Placement
    tenant: str | None
    links: list[tuple[Key, tuple[tuple[str, str], ...]]]

    def columns(self) -> set[str]:
        """Return every watched column."""
        own = {self.tenant} if self.tenant is not None else set()
        return own | {ours for _, pairs in self.links for ours, _ in pairs}


class Statements(Queries):
    """Read one statement; see :func:`tenantguard.sql.text.rewrite.rewrite`.

    Attributes:
        verbs: what the statement does, in order.
        checks: what must be verified when it is executed.
        tables: the tables it names.
    """

    def __init__(
        self, sql: str, tokens: list[Lexeme], names: Names, parameters: dict[int, str | int]
    ) -> None:
        super().__init__(tokens, names)
        self.sql = sql
        self.parameters = parameters
        self.verbs: list[str] = []
        self.checks: list[Check] = []
        self.cte_names: set[str] = set()

    def statement(self) -> None:
        """Read the tokens as one statement.

        Raises:
            RawSQLError: the statement is of a kind, or holds a form, that the guard does not know.
            UnknownTableError: it names a table outside the tenancy.
            CrossTenantError: it writes what no tenant may write.
        """
        env = self.with_({})
        self._verb(env)
        self.took(";")
        if self.at < len(self.tokens):
            raise self.unexpected("the end of the one statement was expected")
        shadowed = self.cte_names.intersection(self.names.parents)
        if shadowed:
            raise refusal(f"a WITH named {shadowed.pop()!r} hides a table that a predicate needs; rename it")

    def statement_in_with(self, env: Environment) -> None:
        """Read the body of a common table expression."""
        inner = self.with_(env)
        if self.which != POSTGRESQL and self.token().upper in ("INSERT", "UPDATE", "DELETE"):
            raise self.unexpected("a query was expected")
        self._verb(inner)

    def _verb(self, env: Environment) -> None:
        verb = self.token().upper
        if verb in ("SELECT", "VALUES", "TABLE", "("):
            self.verbs.append("select")
            self.body(env)
        elif verb == "INSERT":
            self._insert(env)
        elif verb == "UPDATE":
            self._update(env)
        elif verb == "DELETE":
            self._delete(env)
        elif verb == "REPLACE":
            raise refusal("REPLACE deletes whatever row holds the key, another tenant's too")
        else:
            told = verb if self.token().kind == "word" else "something else"
            raise refusal(f"it begins with {told}; SELECT, INSERT, UPDATE and DELETE are read")

    # -- targets ---------------------------------------------------------------------------------------

    def _target(self, verb: str, *, aliased: bool = True) -> Source:
        """Read the table that a statement writes; a common table expression cannot be one."""
        self.verbs.append(verb)
        frame = Frame()
        begun = self.at
        only = self.which == POSTGRESQL and self.took("ONLY")
        parts = self.dotted()
        self.mentioned.append(self.names.fold(parts[-1]))
        placement = self.names.table(parts)
        span = (begun, self.at)
        alias = self._alias_of_target(verb) if aliased else None
        self._decorated_after({})
        word = alias or parts[-1]
        self._once(word, frame)
        self._writable(verb, placement)
        return Source(
            placement,
            word.text,
            self.names.fold(word),
            span,
            parts[-1].text,
            alias is not None,
            plain=not only,
        )

    def _alias_of_target(self, verb: str) -> Lexeme | None:
        if verb == "insert":
            return self.identifier() if self.took("AS") else None
        alias, columns = self._alias()
        if columns:
            raise self.unexpected("SET or WHERE was expected")
        return alias

    def _writable(self, verb: str, placement: Placement) -> None:
        if placement.kind == "shared" and not placement.writable:
            raise shared_write(verb.upper(), placement)

    def _watched(self, placement: Placement) -> Watched:
        tenant = placement.column if placement.kind == "owned" else None
        return Watched(placement, tenant, self.names.links(placement.key))

    # -- INSERT ----------------------------------------------------------------------------------------

    def _insert(self, env: Environment) -> None:
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
        self._returning(env)

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
        return watched.tenant

    def _insert_defaults(self, target: Source, watched: Watched) -> None:
        if target.placement.kind == "through":
            raise orphan(target.placement, target.placement.link[0][0])
        if watched.tenant is None:
            return
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

    # -- what is given ---------------------------------------------------------------------------------

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

    def _note_tenant(
        self, placement: Placement, column: str, verb: str, given: Iterable[Value | None]
    ) -> None:
        values = tuple(value for value in given if value is not None)
        if values:
            self.checks.append(TenantUse(placement.key, column, verb, values))

    def _note_key(
        self,
        placement: Placement,
        parent: Key,
        pairs: tuple[tuple[str, str], ...],
        verb: str,
        keys: list[tuple[Value, ...]],
    ) -> None:
        required = placement.kind == "through" and pairs == placement.link
        if required and any(Literal(None) in key for key in keys):
            raise orphan(placement, pairs[0][0])
        if keys:
            columns = tuple(theirs for _, theirs in pairs)
            self.checks.append(ForeignKeyUse(placement.key, parent, columns, verb, tuple(keys), required))

    def _index(self, names: list[Lexeme], column: str) -> int | None:
        return next((at for at, name in enumerate(names) if self.names.same(name, column)), None)

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

    def _is_star(self, span: Span) -> bool:
        return self.tokens[span[1] - 1].text == "*"

    def _value(self, span: Span) -> Value | None:
        """Return a literal or a parameter; a harmless cast around it does not count."""
        begun, end = span
        tokens = self.tokens
        if (
            end - begun >= 3
            and tokens[end - 2].text in ("::", "\\:\\:")
            and tokens[end - 1].name in _HARMLESS_CASTS
        ):
            return self._value((begun, end - 2))
        if end - begun >= 3 and tokens[begun].text == "(" and tokens[end - 1].text == ")":
            return self._value((begun + 1, end - 1))
        minus = end - begun == 2 and tokens[begun].text == "-" and tokens[end - 1].kind == "number"
        if end - begun != 1 and not minus:
            return None
        token = tokens[end - 1]
        if token.kind == "parameter":
            return Parameter(self.parameters[token.start])
        if token.kind == "number":
            return _number(token.text, -1 if minus else 1)
        if token.kind == "string":
            found = literal(token.text, self.which)
            return Literal(found) if found is not None else None
        return Literal(None) if token.upper == "NULL" else None

    def _own(self, span: Span, frame: Frame, key: Key, column: str) -> bool:
        """Tell whether an item of a query is a column of the tenant's own rows that may be copied."""
        tokens = self.tokens[span[0] : span[1]]
        if len(tokens) >= 3 and tokens[-2].upper == "AS":
            tokens = tokens[:-2]
        if len(tokens) == 3 and tokens[1].text == ".":
            sources = [s for s in frame.sources if s.name == self.names.fold(tokens[0])]
        elif len(tokens) == 1 and frame.width == 1:
            sources = frame.sources
        else:
            return False
        if (
            len(sources) != 1
            or tokens[-1].kind not in ("word", "quoted")
            or sources[0].placement.kind == "shared"
            or sources[0].renamed
        ):
            return False
        return self._copies(sources[0].placement, tokens[-1], key, column)

    def _copies(self, source: Placement, token: Lexeme, key: Key, column: str) -> bool:
        if source.key == key and self.names.same(token, column):
            return True
        if source.kind == "owned" and source.column is not None and self.names.same(token, source.column):
            target = self.names.tenancy.find_key(key)
            return target is not None and target.kind == "owned" and target.column == column
        return any(
            parent == key
            and len(pairs) == 1
            and pairs[0][1] == column
            and self.names.same(token, pairs[0][0])
            for parent, pairs in self.names.links(source.key)
        )

    # -- conflicts -------------------------------------------------------------------------------------

    def _conflicts(self, env: Environment, target: Source, watched: Watched) -> None:
        while self.took("ON"):
            if self.which == MYSQL:
                self.expect("DUPLICATE", "KEY", "UPDATE")
                self._on_duplicate(env, target, watched)
                return
            self.expect("CONFLICT")
            self._conflict_target(env)
            self.expect("DO")
            if self.took("NOTHING"):
                continue
            self.expect("UPDATE", "SET")
            self._keeps(self._assignments(env), watched)
            self.add_where([target], self.where(env))

    def _conflict_target(self, env: Environment) -> None:
        if self.took("ON", "CONSTRAINT"):
            self.identifier()
        elif self.sees("("):
            self.group(env)
            self.where(env)

    def _on_duplicate(self, env: Environment, target: Source, watched: Watched) -> None:
        """Let each assignment keep what another tenant's row holds; MariaDB has no WHERE here."""
        assignments = self._assignments(env)
        self._keeps(assignments, watched)
        predicate = self.predicate(target)
        if target.placement.kind == "through":
            raise refusal(
                f"ON DUPLICATE KEY UPDATE of {target.placement.name}, which belongs through another table"
            )
        for assignment in assignments if predicate else ():
            kept = f"{target.qualifier}.{assignment.names[-1].text}"
            self.put(self.start(assignment.value[0]), "IF(", *predicate, ", (")
            self.put(self.end(assignment.value[1]), f"), {kept})")

    def _keeps(self, assignments: list[Assignment], watched: Watched) -> None:
        """Refuse a conflict clause that could move a row, or point it at another tenant's, unseen."""
        columns = watched.columns()
        for assignment in assignments:
            touched = {c for c in columns for name in assignment.names if self.names.same(name, c)}
            if touched and not (assignment.single and self._is_excluded(assignment)):
                raise CrossTenantError(
                    f"the conflict clause of an INSERT into {watched.placement.name} sets {touched.pop()}; there it "
                    "may only be set to the value that was inserted",
                    kind="upsert",
                    table=watched.placement.name,
                )

    def _is_excluded(self, assignment: Assignment) -> bool:
        tokens = self.tokens[assignment.value[0] : assignment.value[1]]
        name = ascii_lower(unquoted(assignment.names[-1].text))
        texts = [ascii_lower(unquoted(token.text)) for token in tokens]
        return texts in (["excluded", ".", name], ["values", "(", name, ")"])

    # -- UPDATE and DELETE -----------------------------------------------------------------------------

    def _update(self, env: Environment) -> None:
        self.expect("UPDATE")
        if self.took("OR", "REPLACE"):
            raise refusal("UPDATE OR REPLACE deletes whatever row holds the key, another tenant's too")
        if self.took("OR"):
            self.at += 1
        while self.token().upper in ("LOW_PRIORITY", "IGNORE"):
            self.at += 1
        frame = Frame()
        if self.which == MYSQL:
            self._many(env, frame, "update")
        else:
            target = self._target("update")
            frame.sources, frame.names, frame.width = [target], {target.name}, 1
        self.expect("SET")
        assignments = self._assignments(env)
        self._assigned(assignments, frame)
        if self.which != MYSQL and self.took("FROM"):
            self._beside(env, frame)
        self._changed(env, frame)

    def _changed(self, env: Environment, frame: Frame) -> None:
        """Read the end of an UPDATE or DELETE and put the predicates in."""
        self._place(frame, self.where(env))
        self._tail(env)
        self._returning(env)

    def _beside(self, env: Environment, frame: Frame) -> None:
        """Read the FROM of an UPDATE or the USING of a DELETE: the target is no part of its joins."""
        beside = Frame(names=frame.names)
        self.sources(env, beside)
        frame.sources = [*frame.sources, *beside.sources]

    def _many(self, env: Environment, frame: Frame, verb: str) -> None:
        self.verbs.append(verb)
        self.sources(env, frame)
        if any(source.place == "derived" for source in frame.sources):
            raise refusal(f"an {verb.upper()} joins its tables in a form that cannot carry the predicate")

    def _assigned(self, assignments: list[Assignment], frame: Frame) -> None:
        """Verify what an UPDATE sets, and that it may write the tables whose columns it sets."""
        alone = frame.width == 1 and not self.sees("FROM")
        for target in self._targets(assignments, frame):
            self._writable("update", target.placement)
            watched = self._watched(target.placement)
            columns = watched.columns()
            mine: dict[str, Value | None] = {}
            for assignment in assignments:
                for name in assignment.names:
                    for column in (c for c in columns if self.names.same(name, c)):
                        mine[column] = self._assigned_value(assignment, column, target, alone=alone)
            self._note_update(mine, watched)

    def _targets(self, assignments: list[Assignment], frame: Frame) -> list[Source]:
        if self.which != MYSQL:
            return frame.sources[:1]
        if frame.width == 1:
            return frame.sources
        found = []
        for assignment in assignments:
            if len(assignment.names) != 2:
                raise refusal(
                    "an UPDATE of several tables does not say whose column it sets; write table.column"
                )
            name = self.names.fold(assignment.names[0])
            meant = [source for source in frame.sources if source.name == name]
            if not meant:
                raise refusal(f"it sets a column of {name!r}, which is none of its tables")
            found += meant
        return list({source.name: source for source in found}.values())

    def _assigned_value(
        self, assignment: Assignment, column: str, target: Source, *, alone: bool
    ) -> Value | None:
        value = self._value(assignment.value) if assignment.single else None
        if value is not None and value != Literal(None):
            return value
        tenant = target.placement.kind == "owned" and column == target.placement.column
        if value is not None and not tenant:
            return value
        tokens = self.tokens[assignment.value[0] : assignment.value[1]]
        if alone and assignment.single and len(tokens) == 1 and self.names.same(tokens[0], column):
            return None  # the row's own value
        raise refusal(
            f"{target.placement.name}.{column} is given by an expression; give a value or a parameter"
        )

    def _note_update(self, mine: dict[str, Value | None], watched: Watched) -> None:
        placement = watched.placement
        if watched.tenant in mine:
            self._note_tenant(placement, watched.tenant or "", "update", [mine[watched.tenant or ""]])
        for parent, pairs in watched.links:
            values = [mine.get(ours) for ours, _ in pairs]
            known = tuple(value for value in values if value is not None)
            if known and len(known) != len(pairs):
                raise refusal(f"half of a key of {full_name(parent)} is set; set all of its columns")
            if known:
                self._note_key(placement, parent, pairs, "update", [known])

    def _assignments(self, env: Environment) -> list[Assignment]:
        found = [self._assignment(env)]
        while self.took(","):
            found.append(self._assignment(env))
        return found

    def _assignment(self, env: Environment) -> Assignment:
        if self.sees("("):
            names, single = self.names_in_parentheses(), False
        else:
            names, single = self.dotted(), True
            if self.sees("["):
                self.group(env)
                single = False
        self.expect("=")
        return Assignment(names, self.expression(env, commas=False), single)

    def _delete(self, env: Environment) -> None:
        self.expect("DELETE")
        while self.which == MYSQL and self.token().upper in ("LOW_PRIORITY", "QUICK", "IGNORE"):
            self.at += 1
        frame = Frame()
        if self.which == MYSQL and not self.sees("FROM"):
            self._delete_many(env, frame)
        else:
            self.expect("FROM")
            target = self._target("delete")
            frame.sources, frame.names, frame.width = [target], {target.name}, 1
            if self.which == POSTGRESQL and self.took("USING"):
                self._beside(env, frame)
        self._changed(env, frame)

    def _delete_many(self, env: Environment, frame: Frame) -> None:
        """Read MariaDB's ``DELETE a, b FROM a JOIN b``."""
        targets = [self.identifier()]
        while self.took(","):
            targets.append(self.identifier())
        self.expect("FROM")
        self._many(env, frame, "delete")
        self.mentioned += [self.names.fold(token) for token in targets]
        for token in targets:
            meant = [source for source in frame.sources if source.name == self.names.fold(token)]
            if len(meant) != 1:
                raise refusal(f"{unquoted(token.text)!r} is to be emptied and is none of the tables read")
            self._writable("delete", meant[0].placement)

    def _returning(self, env: Environment) -> None:
        if self.took("RETURNING"):
            self.expression(env)


def orphan(placement: Placement, column: str) -> CrossTenantError:
    """Return the error for a row of a ``through`` table that names no parent."""
    return CrossTenantError(
        f"a row of {placement.name} must name its parent by {column}; without it, it belongs to no tenant",
        kind="orphan",
        table=placement.name,
    )


def _number(text: str, sign: int) -> Value | None:
    try:
        return Literal(sign * int(text))
    except ValueError:
        return None
