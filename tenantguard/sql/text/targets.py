"""What writes share: the table that is written, what SET gives it, and what must be verified of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tenantguard.errors import CrossTenantError
from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Frame, Source, Span
from tenantguard.sql.text.lexer import POSTGRESQL, Lexeme
from tenantguard.sql.text.names import literal, shared_write
from tenantguard.sql.text.origins import Origins
from tenantguard.sql.text.values import Check, ForeignKeyUse, Literal, Parameter, TenantUse, Value
from tenantguard.tenancy import Key, Placement

_HARMLESS_CASTS = ("uuid", "int", "integer", "bigint", "smallint", "int4", "int8", "text", "varchar")


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


class Targets(Origins):
    """Read the parts that every write has.

    Attributes:
        parameters: the parameter at each offset where one stands.
        verbs: what the statement does, in order.
        checks: what must be verified when it is executed.
    """

    parameters: dict[int, str | int]
    verbs: list[str]
    checks: list[Check]

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

    def _returning(self, env: Environment, frame: Frame) -> list[Frame]:
        """Read RETURNING; return what it gives, as the frame of a query."""
        if not self.took("RETURNING"):
            return []
        return [Frame(frame.sources, width=frame.width, items=self.items(env), derived=frame.derived)]

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
