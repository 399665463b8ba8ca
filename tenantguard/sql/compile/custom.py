"""Custom constructs (``@compiles``): their rendered SQL is parsed in place, and with the whole statement."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableClause
from sqlalchemy.sql.visitors import iterate

from tenantguard.errors import RawSQLError
from tenantguard.sql.text.composition import Composer
from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.expressions import expression
from tenantguard.sql.text.grammar.queries import query as read_query
from tenantguard.sql.text.grammar.queries import statement as read_statement
from tenantguard.sql.text.parameters import Numbering, driver_style
from tenantguard.sql.text.settings import setting_checks
from tenantguard.sql.text.tokens import MYSQL, Token, Unreadable, unquoted, words
from tenantguard.sql.text.tree import Query, Select
from tenantguard.sql.text.values import SettingUse

# where SQLAlchemy writes the values of an IN when the statement executes, each between what stands in the tildes
_EXPANDED = re.compile(r"__\[POSTCOMPILE_\S+?(?:~~(.*?)~~REPL~~(.*?)~~)?\]")
# a parameter, also of a driver that takes them by place, until the statement is whole; and such values
_VALUE = re.compile(rf"%\(\w+\)s|{_EXPANDED.pattern}")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`")
_COMMENT = re.compile(r"--|/\*|#[^>\-]")
_OPEN_COMMENT = re.compile(r"(?:--|#)[^\n]*\Z")
_ORDER = (("ASC",), ("DESC",), ("NULLS", "FIRST"), ("NULLS", "LAST"))
_CONDITION = words("WHERE ON")
_BEHIND = words(
    "GROUP ORDER HAVING LIMIT OFFSET FETCH FOR RETURNING UNION INTERSECT EXCEPT WINDOW JOIN LEFT RIGHT FULL INNER"
    " CROSS NATURAL DO SET VALUES SELECT FROM"
)
_OWN = "a construct of your own (@compiles)"


class Within:
    """The construct that is being rendered.

    Args:
        element: the construct.
        level: the number of enclosing SELECTs.
        stands: whether it is in a FROM, like a table, and renders each of its tables once.
    """

    def __init__(self, element: Any, level: int, *, stands: bool) -> None:
        self.level = level
        self._tables: Counter[int] = Counter()
        if stands:
            self._tables.update(id(part) for part in iterate(element) if isinstance(part, TableClause))

    def takes(self, table: Any) -> bool:
        """Return whether the construct stands for a table that it renders, once per rendering."""
        self._tables[id(table)] -= 1
        return self._tables[id(table)] >= 0


def render_custom(render: Callable[[], Any], element: Any, compiler: Any, *, stands: bool) -> Any:
    """Return the SQL that a construct renders, after parsing it.

    Args:
        render: the function that renders it.
        element: the construct.
        compiler: the guarded compiler.
        stands: whether it is in a FROM.
    """
    statement = compiler.tg
    statement.custom = True
    outer, statement.within = statement.within, Within(element, len(statement.levels), stands=stands)
    try:
        text = render()
    finally:
        statement.within = outer
    try:
        composed = _composed(str(text), compiler, element)
        rows = compiler._insertmanyvalues
        if rows is not None and isinstance(element, Insert):
            # SQLAlchemy looks for a row in the text to repeat it, so that it must be written in the same way
            row = _composed(rows.single_values_expr, compiler, element)
            compiler._insertmanyvalues = rows._replace(single_values_expr=row)
        return composed
    except (Unreadable, RecursionError) as fault:
        statement.refuse(RawSQLError(f"{_OWN} was refused: {fault}", kind="custom_construct"))
        return text


def verify_custom(compiler: Any) -> None:
    """Refuse a statement in which a custom construct hides something that the compiler did not render."""
    fault = _whole_fault(compiler)
    if fault is not None:
        compiler.tg.refuse(RawSQLError(f"{_OWN} {fault}", kind="custom_construct"))


def _composed(text: str, compiler: Any, element: Any) -> str:
    """Return what a construct renders, composed anew from its tokens; a query or a write loses its comments.

    Raises:
        Ungrammatical: the SQL is not a single expression, or could change the rest of the statement.
        Unreadable: it cannot be split into tokens with certainty.
    """
    is_statement = isinstance(element, Executable) and not isinstance(element, ColumnElement)
    shown, held = _held(text)
    cursor = _cursor(shown, compiler, "format" if compiler.preparer._double_percents else "none")
    if not is_statement and _COMMENT.search(_QUOTED.sub("", shown)):
        raise Ungrammatical("it renders a comment")
    if isinstance(element, ColumnElement):
        _read_column(cursor)
    if any(token.upper == ";" for token in cursor.tokens):
        raise Ungrammatical("it holds a semicolon")
    if cursor.tokens and _OPEN_COMMENT.search(shown, cursor.tokens[-1].end):
        raise Ungrammatical("it ends in a comment, which would swallow what follows")
    for token in cursor.tokens:
        token.text = held.pop(token.start, token.text)
    if held:
        raise Ungrammatical("a quote in it holds a parameter")
    numbering = Numbering(cursor.tokens, cursor.which, "none", 0)
    return Composer(shown, cursor, numbering, escaped=False).compose()


def _held(text: str) -> tuple[str, dict[int, str]]:
    """Return a text with NULL in place of its values, and the values by position."""
    parts, held, length, end = [], {}, 0, 0
    for found in _VALUE.finditer(text):
        parts += [text[end : found.start()], "NULL"]
        length += found.start() - end
        held[length] = found[0]
        length += len("NULL")
        end = found.end()
    return "".join((*parts, text[end:])), held


def _read_column(cursor: Cursor) -> None:
    """Parse one expression with its ordering."""
    cursor.read_query = read_query
    try:
        expression(cursor, commas=False)
    except (Ungrammatical, RecursionError) as fault:
        raise Ungrammatical(f"it cannot be read: {fault}") from None
    for order in _ORDER:
        cursor.took(*order)
    if not cursor.is_done:
        raise Ungrammatical(f"it does not end with one expression, but goes on: {cursor.token().text}")


def _whole_fault(compiler: Any) -> str | None:
    try:
        cursor = _cursor(_expanded(compiler.string), compiler, driver_style(compiler.dialect))
        tree = read_statement(cursor)
        settings = len(setting_checks(cursor))
    except (Unreadable, RecursionError) as fault:
        return f"renders SQL that cannot be read: {fault}"
    statement = compiler.tg
    if settings > sum(isinstance(check, SettingUse) for check in statement.checks):
        return "renders a call of set_config(), which the guard cannot see"
    local = {str(getattr(cte, "name", "")) for cte in compiler.ctes or {}} | cursor.cte_names
    found = Counter(name for parts in cursor.mentioned if (name := unquoted(parts[-1].text)) not in local)
    hidden = sorted(name for name, count in found.items() if count > statement.rendered.get(name, 0))
    if hidden:
        return f"renders table {', '.join(hidden)}, which the guard cannot see"
    if _conflicts(cursor.tokens) > statement.conflicts:
        return "renders a conflict clause, which the guard cannot see"
    if _unions(tree) > statement.unions:
        return "renders a set operation, which the guard cannot see"
    if any(placement.kind != "shared" for placement in statement.tables.values()) and _is_loose(cursor):
        return "renders a condition that binds less tightly than AND, beside the predicate"
    return None


def _cursor(text: str, compiler: Any, style: str) -> Cursor:
    return Cursor(text, compiler.dialect.name, style, compiler.tg_guard.tenancy)


def _expanded(text: str) -> str:
    return _EXPANDED.sub(lambda marker: f"{marker[1] or ''}NULL{marker[2] or ''}", text)


def _conflicts(tokens: list[Token]) -> int:
    """Return the number of conflict clauses."""
    return sum(
        before.upper == "ON" and token.upper in ("CONFLICT", "DUPLICATE")
        for before, token in itertools.pairwise(tokens)
    )


def _unions(found: Query | Select) -> int:
    """Return the number of set operations in a query, including nested ones."""
    if isinstance(found, Select):
        return sum(map(_unions, [*found.nested, *_derived(found)]))
    inner: list[Any] = [*found.parts, *found.nested, *(cte.body for cte in found.ctes)]
    if found.write is not None:
        inner += [found.write.body, *([found.write.query] if found.write.query else [])]
    return max(0, len(found.parts) - 1) + sum(map(_unions, inner))


def _derived(found: Select) -> list[Query]:
    """Return the queries in a FROM."""
    queries: list[Query] = []
    pending = list(found.sources)
    while pending:
        joined = pending.pop()
        pending += [*joined.first.inner, *joined.steps]
        queries += [joined.first.query] if joined.first.query is not None else []
    return queries


def _is_loose(cursor: Cursor) -> bool:
    """Return whether a condition has an operator outside parentheses that binds less tightly than AND."""
    loose = {"OR", "XOR", "||"} if cursor.which == MYSQL else {"OR"}
    conditions, depth = {0: False}, 0
    for token in cursor.tokens:
        depth = _deeper(token, depth, conditions)
        if token.kind != "word" and token.text not in loose:
            continue
        if token.upper in _CONDITION:
            conditions[depth] = True
        elif token.upper in _BEHIND:
            conditions[depth] = False
        elif token.upper in loose and conditions.get(depth):
            return True
    return False


def _deeper(token: Token, depth: int, conditions: dict[int, bool]) -> int:
    if token.kind != "symbol" or token.text not in ("(", ")"):
        return depth
    depth += 1 if token.text == "(" else -1
    if token.text == "(":
        conditions[depth] = False
    return depth
