"""Expressions, read token by token with the queries and calls in them; parentheses need no recursion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenantguard.sql.text.grammar.callees import note_call, refuse_attribute
from tenantguard.sql.text.grammar.cursor import (
    CLAUSES,
    JOINS,
    RESERVED,
    Cursor,
    Ungrammatical,
)
from tenantguard.sql.text.tokens import MYSQL, POSTGRESQL, SQLITE, words
from tenantguard.sql.text.tree import Select, Span

Reader = Callable[[Cursor], Any]
Forms = dict[str, list[Reader | list[str]]]

_STOPS = CLAUSES | JOINS
# words that begin a query or precede the name of a table
_QUERY = words(
    "SELECT WITH VALUES TABLE FROM JOIN STRAIGHT_JOIN UNION INTERSECT EXCEPT MINUS INTO ONLY LATERAL WHERE"
    " TABLESAMPLE INSERT UPDATE DELETE MERGE REPLACE PRAGMA ATTACH EXECUTE OUTFILE DUMPFILE"
)
_HEEDED = _STOPS | _QUERY | {"IN", "CURRENT", "EXAMINED"}
_BEHIND_WITH = words("TIME UNIQUE WRAPPER CONDITIONAL UNCONDITIONAL ARRAY ROLLUP TIES ORDINALITY")
_FROM_INSIDE = words("EXTRACT SUBSTRING SUBSTR TRIM OVERLAY POSITION LTRIM RTRIM BTRIM")
_DEEPEST = 100  # parentheses, and CASEs


def expression(cursor: Cursor, *, commas: bool = True, single: bool = False) -> Span:
    """Read an expression, or several with commas, up to a word that begins another clause.

    Args:
        cursor: the place where it begins.
        commas: continue after a comma.
        single: read one parenthesis and nothing after it.

    Raises:
        Ungrammatical: a word or a function in it is not known to be harmless there.
    """
    tokens, uppers, start = cursor.tokens, cursor.uppers, cursor.at
    count, is_postgresql = len(tokens), cursor.which == POSTGRESQL
    open_: list[tuple[str, str]] = []  # what closes each parenthesis, and the word before it
    at, cases = start, 0
    while at < count:
        token = tokens[at]
        kind = token.kind
        if kind == "symbol":
            text = token.text
            if text == "(" or text == "[":
                cursor.at = at + 1
                if text == "(" and cursor.begins_query():
                    at = _enclosed_query(cursor, at, bool(open_))
                    if single and not open_:
                        break
                    continue
                open_.append((")", tokens[at - 1].upper if at else "") if text == "(" else ("]", "["))
                if len(open_) > _DEEPEST:
                    raise Ungrammatical(f"its parentheses nest deeper than {_DEEPEST}")
            elif text == ")" or text == "]":
                if not open_:
                    break
                if open_.pop()[0] != text:
                    raise Ungrammatical("its parentheses do not match, so that it could leave its place")
                if single and not open_:
                    at += 1
                    break
            elif text == "." and tokens[at - 1].upper in RESERVED and tokens[at - 2].text != ".":
                raise Ungrammatical(f"it holds a dot behind the word {tokens[at - 1].upper}")
            elif text == ";" or (text == "," and not open_ and not commas):
                break
            elif text == ":=" and not open_:
                raise Ungrammatical("it reads or sets a variable")
            at += 1
            continue
        if kind == "word":
            upper = token.upper
            if upper in _HEEDED and (before := uppers[at - 1] if at else "") != "." and before != "AS":
                cursor.at = at
                if not open_ and upper in _STOPS and _stops(cursor, upper, before):
                    break
                fault = _fault(cursor, upper, before, open_[-1][1] if open_ else "")
                if fault is not None:
                    raise Ungrammatical(fault)
            elif upper == "CASE" or upper == "END":
                cases += 1 if upper == "CASE" else -1
                if cases > _DEEPEST:
                    raise Ungrammatical(f"its CASEs nest deeper than {_DEEPEST}")
        elif kind != "quoted":
            at += 1
            continue
        if uppers[at + 1] == "(":
            note_call(cursor, at, token)
        elif is_postgresql and at > 1 and uppers[at - 1] == ".":
            refuse_attribute(token)
        at += 1
    cursor.at = at
    if open_:
        if at < count and tokens[at].text == ";":
            raise Ungrammatical("it holds a semicolon")
        raise Ungrammatical("its parentheses do not match, so that it could leave its place")
    if at == start or tokens[at - 1].upper == ",":
        raise cursor.unexpected("an expression was expected")
    return start, at


def _enclosed_query(cursor: Cursor, start: int, inside: bool) -> int:
    """Read a query in parentheses and the queries combined with it; return the index after them."""
    query = cursor.query()
    cursor.expect(")")
    cursor.nested.append(query)
    cursor.queries[start] = (query, cursor.at)
    while inside and cursor.took_set_operation():
        enclosed = cursor.took("(")
        cursor.nested.append(cursor.query())
        if enclosed:
            cursor.expect(")")
    return cursor.at


def _is_distinct_from(cursor: Cursor, before: str) -> bool:
    return before == "DISTINCT" and cursor.tokens[cursor.at - 2].upper in ("IS", "NOT")


def _stops(cursor: Cursor, word: str, before: str) -> bool:
    """Tell whether a word ends the expression, instead of being a part of it or a name."""
    after = cursor.token(1).upper
    match word:
        case "FROM":
            return not _is_distinct_from(cursor, before)
        case "GROUP":
            return before != "WITHIN"
        case "LEFT" | "RIGHT":
            return after != "("
        case "LOCK":
            return cursor.which == MYSQL
        case "DO":
            return after in ("NOTHING", "UPDATE")
        case "WINDOW":
            return cursor.token(2).upper == "AS"
    return word != "SET" or before != "CHARACTER"


def _fault(cursor: Cursor, word: str, before: str, caller: str) -> str | None:
    """Return why a word is refused in an expression, or ``None``, as for FROM in ``EXTRACT(year FROM x)``."""
    after = cursor.token(1)
    called = after.text == "("
    match word:
        case "IN" if cursor.which == SQLITE and not called and after.kind != "parameter":
            return "it holds IN with no list in parentheses, which names a table on SQLite"
        case "CURRENT" if after.upper == "OF":
            return "it names a cursor"
        case "EXAMINED" if before == "ROWS":
            return "it limits how many rows are examined, among which are other tenants'"
        case "REPLACE" | "INSERT":
            is_part = called
        case "VALUES":
            is_part = cursor.which == MYSQL or (not called and after.upper != "ROW")
        case "FROM":
            is_part = caller in _FROM_INSIDE or _is_distinct_from(cursor, before)
        case "WHERE":
            if before != "(" or caller != "FILTER":
                return "it holds the word WHERE, which begins another clause"
            is_part = True
        case "WITH":
            is_part = after.upper in _BEHIND_WITH
        case "ONLY":
            is_part = before in ("ROW", "ROWS")
        case _:
            is_part = word not in _QUERY
    return None if is_part else f"it holds the word {word}: a query or a table"


def items(cursor: Cursor) -> list[Span]:
    """Read expressions with commas between them; return each."""
    spans = [expression(cursor, commas=False)]
    while cursor.took(","):
        spans.append(expression(cursor, commas=False))
    return spans


def group(cursor: Cursor) -> None:
    """Read an expression in parentheses."""
    if not cursor.sees("("):
        raise cursor.unexpected("( was expected")
    expression(cursor, single=True)


def where(cursor: Cursor, select: Select) -> None:
    """Read a WHERE if there is one."""
    select.room = cursor.at
    if cursor.took("WHERE"):
        select.where = expression(cursor)


_READERS: dict[str, Reader] = {
    "expression": expression, "group": group, "name": Cursor.identifier, "names": Cursor.names,
    "columns": Cursor.names_in_parentheses,
}  # fmt: skip


def forms(*clauses: str, **readers: Reader) -> Forms:
    """Return clauses by their first words.

    Args:
        clauses: the parts of each: readers, and words, with bars between alternatives.
        readers: readers that only these clauses use.
    """
    known = _READERS | readers
    return {
        first: [known.get(part) or part.split("|") for part in parts]
        for first, *parts in map(str.split, clauses)
    }


def clauses(cursor: Cursor, known: Forms) -> bool:
    """Read the known clauses that come next; tell whether there are any."""
    start = cursor.at
    while (form := known.get(cursor.upper)) is not None:
        cursor.at += 1
        for part in form:
            if not isinstance(part, list):
                part(cursor)
            elif cursor.upper in part:
                cursor.at += 1
            else:
                raise cursor.unexpected(f"{' or '.join(part)} was expected")
    return cursor.at > start
