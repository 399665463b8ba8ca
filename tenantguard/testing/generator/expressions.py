"""Scalars and predicates, for the SELECT list, WHERE, ON, HAVING, SET and ORDER BY."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tenantguard.testing.generator.draft import Col, Draft, Source
from tenantguard.testing.generator.relationships import relationship_predicate

KINDS = ("int", "str", "bool", "date", "num")


def columns(sources: Sequence[Source], kind: str | None = None) -> list[Col]:
    """Return the columns in sight, of one kind if asked; never those whose values cannot be compared."""
    return [c for s in sources for c in s.cols if (c.kind == kind if kind else c.kind != "other")]


def scalar(d: Draft, sources: Sequence[Source], kind: str, depth: int) -> str:
    """Return an expression of a kind: a column, a literal, or something made of them."""
    known = columns(sources, kind)
    makers: list[Callable[[], str]] = []
    if known:
        makers += [lambda: d.pick(known).code] * 3
    makers += [lambda: f"literal({d.sample(kind)})"]
    if depth > 0:
        if known:
            makers += [lambda: _function(d, known, sources, kind, depth)]
        makers += [lambda: _case(d, sources, kind, depth)]
        if d.budget > 1:
            makers += [lambda: _scalar_subquery(d, sources, kind, depth)]
    return d.pick(makers)()


def _function(d: Draft, known: Sequence[Col], sources: Sequence[Source], kind: str, depth: int) -> str:
    one = d.pick(known).code
    other = scalar(d, sources, kind, depth - 1)
    d.did("expression: function")
    forms = {"int": [f"({one} + {other})", f"({one} * 2)", f"func.abs({one})"], "str": [f"func.upper({one})"]}
    return d.pick([f"func.coalesce({one}, {other})", *forms.get(kind, [])])


def _case(d: Draft, sources: Sequence[Source], kind: str, depth: int) -> str:
    when = predicate(d, sources, depth - 1)
    then = scalar(d, sources, kind, depth - 1)
    d.did("expression: case")
    return f"case(({when}, {then}), else_={scalar(d, sources, kind, 0)})"


def _scalar_subquery(d: Draft, sources: Sequence[Source], kind: str, depth: int) -> str:
    d.did("subquery: scalar")
    return d.value(sources, kind, depth - 1)


def predicate(d: Draft, sources: Sequence[Source], depth: int) -> str:
    """Return a condition over what is in sight."""
    makers: list[Callable[[], str]] = [lambda: _compare(d, sources, depth)] * 4
    if depth > 0:
        makers += [lambda: _connect(d, sources, depth)] * 2
        if d.orm and any(s.cls is not None and s.cls.relations for s in sources):
            makers += [lambda: relationship_predicate(d, sources, depth, predicate)] * 4
        if d.budget > 1:
            makers += [
                lambda: d.value(sources, "bool", depth - 1),
                lambda: _in_subquery(d, sources, depth),
                lambda: _quantified(d, sources, depth),
            ]
    return d.pick(makers)()


def _connect(d: Draft, sources: Sequence[Source], depth: int) -> str:
    how = d.pick(("and_", "or_", "not_"))
    if how == "not_":
        return f"not_({predicate(d, sources, depth - 1)})"
    return f"{how}({predicate(d, sources, depth - 1)}, {predicate(d, sources, depth - 1)})"


def _compare(d: Draft, sources: Sequence[Source], depth: int) -> str:
    known = columns(sources)
    if not known:
        return "true()"
    made = [c for s in sources for c in s.made]
    if made and depth > 0 and d.chance(30):
        d.did("expression: column_property")
        one = d.pick(made)
        return f"{one.code} {d.pick(('==', '<', '>='))} {d.literal(one)}"
    col = d.pick(known)
    forms: list[Callable[[], str]] = [
        lambda: f"{col.code} {d.pick(('==', '!='))} {d.literal(col)}",
        lambda: f"{col.code}.{d.pick(('is_', 'is_not'))}(None)",
        lambda: f"{col.code}.in_([{d.literal(col)}, {d.literal(col)}])",
        lambda: f"{col.code} == {d.pick(columns(sources, col.kind)).code}",
    ]
    if col.kind == "bool":
        forms = [lambda: f"{col.code}.is_({d.pick((True, False))})", *forms[1:2], lambda: col.code]
    elif col.kind in ("int", "num", "date", "str", "datetime"):
        forms += [lambda: f"{col.code} {d.pick(('<', '<=', '>', '>='))} {d.literal(col)}"]
        forms += [lambda: f"{col.code}.between({d.literal(col)}, {d.literal(col)})"]
        if depth > 0:
            forms += [lambda: f"{col.code} {d.pick(('==', '<'))} {scalar(d, sources, col.kind, depth - 1)}"]
    if col.kind == "str":
        forms += [
            lambda: f"{col.code}.like({d.pick(('%a%', 'b%', '%e'))!r})",
            lambda: f"{col.code}.startswith('a')",
        ]
    return d.pick(forms)()


def _in_subquery(d: Draft, sources: Sequence[Source], depth: int) -> str:
    known = [c for c in columns(sources) if c.kind in ("int", "str", "date")]
    if not known:
        return _compare(d, sources, depth)
    if d.chance(20):
        return _tuple_in(d, known, sources, depth)
    col = d.pick(known)
    d.did("subquery: in")
    inner = d.query(depth - 1, outer=sources, want=[col.kind])
    return f"{col.code}.{d.pick(('in_', 'not_in'))}({inner.code})"


def _tuple_in(d: Draft, known: Sequence[Col], sources: Sequence[Source], depth: int) -> str:
    one, other = d.pick(known), d.pick(known)
    d.did("subquery: tuple in")
    inner = d.query(depth - 1, outer=sources, want=[one.kind, other.kind])
    return f"tuple_({one.code}, {other.code}).in_({inner.code})"


def _quantified(d: Draft, sources: Sequence[Source], depth: int) -> str:
    known = [c for c in columns(sources) if c.kind in ("int", "str")]
    if d.dialect == "sqlite" or not known:
        return d.value(sources, "bool", depth - 1)
    col = d.pick(known)
    how = d.pick(("any_", "all_"))
    d.did(f"subquery: {how.rstrip('_')}")
    inner = d.query(depth - 1, outer=sources, want=[col.kind])
    return f"{col.code} {d.pick(('==', '>='))} {how}({inner.code}.scalar_subquery())"
