"""Sources of a statement: tables, classes, aliases, subqueries, CTEs, VALUES, functions, and joins of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tenantguard.testing.generator import expressions
from tenantguard.testing.generator.draft import Col, Draft, Source
from tenantguard.testing.generator.elements import class_source, covered, derived, entity, table_source


def leaf(d: Draft, depth: int, taken: Sequence[Source], outer: Sequence[Source] = ()) -> Source:
    """Return one thing to select from; what is in use already comes as an alias."""
    d.budget -= 1
    makers: list[Callable[[], Source]] = [lambda: _named(d, taken, outer)] * 6
    if depth > 0 and d.budget > 0:
        makers += [lambda: _subquery(d, depth - 1)] * 2
        makers += [lambda: _cte(d, depth - 1)] * 2
        makers += [lambda: _recursive(d), lambda: _values(d), lambda: _function(d)]
        if d.orm:
            makers += [lambda: _aliased_subquery(d, depth - 1), lambda: _polymorphic(d)]
        if d.dialect == "postgresql":
            makers += [lambda: _sample(d)]
    return d.pick(makers)()


def _named(d: Draft, taken: Sequence[Source], outer: Sequence[Source]) -> Source:
    if d.orm and d.schema.classes and not d.chance(10):
        cls = d.pick(list(d.schema.classes.values()))
        mine = covered(d, cls)
        alias = any(s.covers & mine for s in (*taken, *outer)) or d.chance(25)
        if alias:
            d.did("from: aliased class")
        return class_source(d, cls, alias=alias)
    info = d.pick(list(d.schema.tables.values()))
    alias = any(info.name in s.covers for s in (*taken, *outer)) or d.chance(25)
    if alias:
        d.did("from: table alias")
    return table_source(d, info, alias=alias)


def _subquery(d: Draft, depth: int) -> Source:
    d.did("from: subquery")
    inner = d.query(depth)
    code = d.let("q", f"{inner.code}.subquery()")
    if d.chance(15):
        code = d.let("q", f"{code}.alias()")
    return derived(code, inner.cols)


def _aliased_subquery(d: Draft, depth: int) -> Source:
    d.did("from: class over a subquery")
    cls = d.pick(list(d.schema.classes.values()))
    inner = class_source(d, cls, alias=False)
    narrowed = f".where({expressions.predicate(d, [inner], depth)})" if d.chance(70) else ""
    code = d.let("a", f"aliased({cls.name}, select({cls.name}){narrowed}.subquery())")
    made = entity(d, cls, code)
    return replace(made, order=None)  # a derived table has no key to group by


def _polymorphic(d: Draft) -> Source:
    able = [c for c in d.schema.classes.values() if c.subclasses]
    if not able:
        return _named(d, (), ())
    d.did("from: with_polymorphic")
    cls = d.pick(able)
    which = "'*'" if d.chance(50) else f"[{d.pick(cls.subclasses)}]"
    code = d.let("a", f"with_polymorphic({cls.name}, {which}, aliased=True, flat=True)")
    return entity(d, cls, code)


def _cte(d: Draft, depth: int) -> Source:
    if d.ctes and d.chance(40):
        d.did("from: cte referred to again")
        name, cols = d.pick(d.ctes)
        return derived(d.let("c", f"{name}.alias()"), cols)
    d.did("from: cte")
    inner = d.query(depth)
    nested = d.dialect == "postgresql" and d.chance(15)
    if nested:
        d.did("from: nested cte")
    code = d.let("c", f"{inner.code}.cte({'nesting=True' if nested else ''})")
    if nested:
        return derived(code, inner.cols)
    d.ctes.append((code, inner.cols))
    if d.chance(30):
        d.did("from: cte alias")
        code = d.let("c", f"{code}.alias()")
    return derived(code, inner.cols)


def _recursive(d: Draft) -> Source:
    """Walk a foreign key to the own table; UNION ends at a row that was met before."""
    able = [(t, link) for t in d.schema.tables.values() for link in t.links if link.parent == t.name]
    able = [(t, link) for t, link in able if len(link.pairs) == 1]
    if not able:
        return _named(d, (), ())
    d.did("from: recursive cte")
    table, link = d.pick(able)
    ((child, parent),) = link.pairs
    up, down = table.named(child), table.named(parent)
    start = table_source(d, table, alias=False)
    base = f"select({down.code(table.name)}.label('k'), {up.code(table.name)}.label('p'))"
    where = f".where({expressions.predicate(d, [start], 0)})"
    walk = d.let("r", f"{base}{where}.cte(recursive=True)")
    step = d.let("t", f"{table.name}.alias()")
    condition = d.pick((f"{up.code(step)} == {walk}.c.k", f"{down.code(step)} == {walk}.c.p"))
    more = f"select({down.code(step)}, {up.code(step)}).join({walk}, {condition})"
    code = d.let("r", f"{walk}.union({more})")
    return derived(code, [Col("k", down.kind, down, table.name), Col("p", up.kind, up, table.name)])


def _values(d: Draft) -> Source:
    d.did("from: values")
    rows = [f"({d.sample('int')}, {d.sample('str')})" for _ in range(1 + d.upto(2))]
    kinds = "column('x', Integer), column('y', String(40))"
    made = f"values({kinds}, name='{d.fresh('v')}').data([{', '.join(rows)}])"
    made = f"{made}.cte()" if d.dialect != "postgresql" else made
    return derived(d.let("v", made), [Col("x", "int"), Col("y", "str")])


def _function(d: Draft) -> Source:
    d.did("from: table-valued function")
    if d.dialect == "postgresql":
        code = d.let(
            "f", "func.generate_series(1, 5).table_valued(column('value', Integer)).render_derived()"
        )
        return Source(code, [Col(f"{code}.c.value", "int")])
    if d.dialect == "sqlite":
        code = d.let("f", "func.json_each('[1, 4, 7]').table_valued(column('value', Integer), name='f')")
        return Source(code, [Col(f"{code}.c.value", "int")])
    return _values(d)


def _sample(d: Draft) -> Source:
    d.did("from: tablesample")
    info = d.pick(list(d.schema.tables.values()))
    code = d.let("t", f"tablesample({info.name}, 100)")
    cols = [Col(c.code(code), c.kind, c, info.name) for c in info.columns]
    return Source(code, cols, [c.code(code) for c in info.key] or None)


def condition(d: Draft, left: Sequence[Source], right: Sequence[Source], *, simple: bool = False) -> str:
    """Return an ON condition: a foreign key between the two sides, where there is one, or equal columns."""
    found = [code for one in left for other in right for code in _links(one, other)]
    if found and (simple or not d.chance(15)):
        code = d.pick(found)
    else:
        d.loose -= 1
        pairs = [
            (a, b)
            for a in expressions.columns(left)
            for b in expressions.columns(right)
            if a.kind == b.kind and a.kind in ("int", "str", "date")
        ]
        if not pairs:
            return "true()"
        a, b = d.pick(pairs)
        code = f"{a.code} == {b.code}"
    if not simple and d.chance(15):
        d.did("join: predicate in on")
        lines = len(d.lines)
        code = f"and_({code}, {expressions.predicate(d, [*left, *right], 1)})"
        if len(d.lines) > lines:
            d.did("subquery: in on")
    return code


def _links(one: Source, other: Source) -> list[str]:
    found = []
    for child, parent in ((one, other), (other, one)):
        for link in child.table.links if child.table is not None else ():
            if parent.table is not None and link.parent == parent.table.name:
                pairs = [(_column(child, ours), _column(parent, theirs)) for ours, theirs in link.pairs]
                known = [f"{a} == {b}" for a, b in pairs if a is not None and b is not None]
                if len(known) == len(link.pairs):
                    found.append(known[0] if len(known) == 1 else f"and_({', '.join(known)})")
    return found


def _column(source: Source, name: str) -> str | None:
    return next((c.code for c in source.cols if c.info is not None and c.info.name == name), None)


JOINS = ("inner", "left", "right", "cross", "full")


def tree(
    d: Draft, depth: int, levels: int, outer: Sequence[Source], taken: Sequence[Source]
) -> tuple[str, list[Source]]:
    """Return a FROM element: one source, or joins nested to some levels; and its sources."""
    if levels <= 0 or d.budget <= 1 or d.loose <= 0 or not d.chance(60):
        one = leaf(d, depth, taken, outer)
        return one.code, [one]
    left, lefts = tree(d, depth, levels - 1, outer, taken)
    how = d.pick(JOINS if d.dialect != "mysql" else JOINS[:-1])
    if d.dialect == "postgresql" and how != "full" and d.chance(15):
        right, rights = _lateral(d, depth, lefts)
        on = "true()"
        d.loose -= 1
        how = d.pick(("inner", "left"))
    else:
        right, rights = tree(d, depth, levels - 1 - d.upto(1), outer, [*taken, *lefts])
        d.loose -= how == "cross"
        on = "true()" if how == "cross" else condition(d, lefts, rights, simple=how == "full")
    if how == "full" and any(
        s.real and s.table is not None and s.table.table.schema for s in (*lefts, *rights)
    ):
        how = "left"  # a table with a schema needs an alias in a FULL JOIN, as docs/guarantees.md says
    d.did(f"join: {how}")
    if len(rights) > 1:
        d.did("join: nested on the right")
    names = [{s.table.name for s in side if s.table is not None} for side in (lefts, rights)]
    if names[0] & names[1]:
        d.did("join: self")
    if how == "right":
        left, right = right, left
    forms = {
        "inner": f"join({left}, {right}, {on})",
        "cross": f"join({left}, {right}, {on})",
        "full": f"join({left}, {right}, {on}, full=True)",
    }
    code = forms.get(how, f"outerjoin({left}, {right}, {on})")
    found = [*lefts, *rights]
    if how == "full":  # the guard's derived table has no key to group by, as docs/guarantees.md says
        found = [replace(source, order=None) for source in found]
    return d.let("j", code), found


def _lateral(d: Draft, depth: int, lefts: Sequence[Source]) -> tuple[str, list[Source]]:
    d.did("from: lateral")
    inner = d.query(max(0, depth - 1), outer=lefts)
    code = d.let("l", f"{inner.code}.lateral()")
    return code, [derived(code, inner.cols)]
