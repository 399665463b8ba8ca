"""SELECT: its columns, conditions, groups, windows, order and limits; set operations; scalar subqueries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tenantguard.testing.generator import expressions, sources
from tenantguard.testing.generator.draft import Col, Draft, Query, Source

ONE_TO_COMPARE = ("int", "str", "date", "num")


def query(d: Draft, depth: int, *, outer: Sequence[Source] = (), want: Sequence[str] | None = None) -> Query:
    """Return a SELECT, or now and then a set operation, as the value of a name."""
    if depth > 0 and d.budget > 2 and d.chance(12):
        return set_operation(d, depth - 1, outer, want)
    return select_(d, depth, outer=outer, want=want)


def select_(
    d: Draft, depth: int, *, outer: Sequence[Source] = (), want: Sequence[str] | None = None
) -> Query:
    """Return one SELECT whose columns have labels, as the value of a name."""
    found, inner, explicit = _from(d, depth, outer)
    seen = [*inner, *outer]
    kinds = list(want) if want is not None else [d.pick(expressions.KINDS) for _ in range(1 + d.upto(2))]
    shape = d.pick((_plain, _plain, _plain, _plain, _grouped, _grouped_by_key, _aggregate, _windowed))
    if shape is _windowed and outer and d.dialect == "mysql":
        shape = _plain  # MariaDB 10.11 errs on windows in correlated subqueries once one key is compared
    outputs, tail, total = shape(d, inner, seen, kinds, depth)
    labels = [f"x{n}" for n in range(1, len(outputs) + 1)]
    columns = ", ".join(f"{code}.label({label!r})" for code, label in zip(outputs, labels, strict=True))
    code = f"select({columns})" + (f".select_from({', '.join(found)})" if explicit else "")
    code += _where(d, inner, seen, depth) + tail
    code, ordered = _finish(d, code, labels, seen, depth, total and not tail)
    cols = [Col(label, kind) for label, kind in zip(labels, kinds, strict=True)]
    return Query(d.let("s", code), cols, ordered)


def _from(d: Draft, depth: int, outer: Sequence[Source]) -> tuple[list[str], list[Source], bool]:
    """Return the FROM elements, the sources in them, and whether they must be named in ``select_from``."""
    code, found = sources.tree(d, depth, d.pick((0, 0, 1, 2, 3)), outer, ())
    if d.budget > 1 and d.loose > 0 and d.chance(12):
        d.loose -= 1
        d.did("join: comma list")
        more, others = sources.tree(d, depth, 0, outer, found)
        return [code, more], [*found, *others], True
    return [code], found, True


def _where(d: Draft, inner: Sequence[Source], seen: Sequence[Source], depth: int) -> str:
    code = ""
    if len(seen) > len(inner) and d.chance(70):
        d.did("subquery: correlated")
        code += f".where({sources.condition(d, inner, seen[len(inner) :])})"
    if d.chance(55):
        lines = len(d.lines)
        code += f".where({expressions.predicate(d, seen, depth)})"
        if len(d.lines) > lines:
            d.did("subquery: in where")
    return code


Shaped = tuple[list[str], str, bool]


def _plain(
    d: Draft, inner: Sequence[Source], seen: Sequence[Source], kinds: Sequence[str], depth: int
) -> Shaped:
    lines = len(d.lines)
    outputs = [expressions.scalar(d, seen, kind, depth) for kind in kinds]
    if len(d.lines) > lines:
        d.did("subquery: in the select list")
    return outputs, "", True


def aggregate(d: Draft, inner: Sequence[Source], kind: str, depth: int) -> str:
    """Return an aggregate of a kind."""
    known = expressions.columns(inner, kind)
    if kind == "int":
        forms: list[Callable[[], str]] = [lambda: "func.count()"]
        every = expressions.columns(inner)
        if every:
            forms += [
                lambda: f"func.count({d.pick(every).code})",
                lambda: f"func.count(distinct({d.pick(every).code}))",
            ]
        if known and d.dialect != "mysql":
            forms += [lambda: f"func.sum({d.pick(known).code})"]
        if d.dialect != "mysql" and every:
            forms += [lambda: f"func.count().filter({expressions.predicate(d, inner, min(depth, 1))})"]
        return d.pick(forms)()
    if kind == "bool":
        return f"(func.count() > {d.upto(3)})"
    if known and d.dialect == "postgresql" and d.chance(15):
        d.did("select: ordered-set aggregate")
        return f"func.percentile_disc(0.5).within_group({d.pick(known).code})"
    if not known:
        return f"func.max(literal({d.sample(kind)}))"
    return f"func.{d.pick(('max', 'min'))}({d.pick(known).code})"


def _aggregate(
    d: Draft, inner: Sequence[Source], seen: Sequence[Source], kinds: Sequence[str], depth: int
) -> Shaped:
    d.did("select: aggregate")
    return [aggregate(d, inner, kind, depth) for kind in kinds], "", True


def _grouped(
    d: Draft, inner: Sequence[Source], seen: Sequence[Source], kinds: Sequence[str], depth: int
) -> Shaped:
    by = [c for c in expressions.columns(inner) if c.kind in ("int", "str", "date", "bool")]
    if not by:
        return _aggregate(d, inner, seen, kinds, depth)
    d.did("select: group by")
    keys = d.some(by, 1, 2)
    return _group_outputs(d, inner, kinds, keys, keys, depth)


def _grouped_by_key(
    d: Draft, inner: Sequence[Source], seen: Sequence[Source], kinds: Sequence[str], depth: int
) -> Shaped:
    """Group by a table's primary key and read its other columns, which depend on it."""
    able = [s for s in inner if s.table is not None and s.order and (s.cls is None or s.cls.base is None)]
    if not able or d.dialect == "sqlite":
        return _grouped(d, inner, seen, kinds, depth)
    source = d.pick(able)
    keys = [c for c in source.cols if c.code in (source.order or ())]
    if len(keys) != len(source.order or ()) or any(c.info is not None and c.info.unique for c in keys):
        return _grouped(d, inner, seen, kinds, depth)
    d.did("select: group by key")
    return _group_outputs(d, inner, kinds, keys, source.cols, depth)


def _group_outputs(
    d: Draft,
    inner: Sequence[Source],
    kinds: Sequence[str],
    keys: Sequence[Col],
    free: Sequence[Col],
    depth: int,
) -> Shaped:
    outputs = []
    for kind in kinds:
        able = [c for c in free if c.kind == kind]
        outputs.append(d.pick(able).code if able and d.chance(60) else aggregate(d, inner, kind, depth))
    tail = f".group_by({', '.join(c.code for c in keys)})"
    if d.chance(35):
        d.did("select: having")
        tail += f".having({_having(d, inner, depth)})"
    return outputs, tail, True


def _having(d: Draft, inner: Sequence[Source], depth: int) -> str:
    one = aggregate(d, inner, "int", 0)
    if depth > 0 and d.budget > 1 and d.chance(40):
        d.did("subquery: in having")
        return f"{one} <= {d.value((), 'int', depth - 1)}"
    return f"{one} {d.pick(('>', '<=', '=='))} {d.upto(3)}"


def _windowed(
    d: Draft, inner: Sequence[Source], seen: Sequence[Source], kinds: Sequence[str], depth: int
) -> Shaped:
    every = [c for c in expressions.columns(inner) if c.kind in ("int", "str", "date")]
    if not every:
        return _plain(d, inner, seen, kinds, depth)
    outputs = []
    for kind in kinds:
        by = f"partition_by={d.pick(every).code}"
        order = f"order_by={d.pick(every).code}"
        known = expressions.columns(inner, kind)
        if kind == "int":
            d.did("select: window")
            form = d.pick(
                ("func.count().over({0})", "func.rank().over({0}, {1})", "func.dense_rank().over({1})")
            )
            outputs.append(form.format(by, order))
        elif known and kind != "bool":
            d.did("select: window")
            form = d.pick(("func.max({2}).over({0})", "func.min({2}).over({0}, {1})"))
            outputs.append(form.format(by, order, d.pick(known).code))
        else:
            outputs.append(expressions.scalar(d, seen, kind, 0))
    return outputs, "", True


def _finish(
    d: Draft, code: str, labels: Sequence[str], seen: Sequence[Source], depth: int, plain: bool
) -> tuple[str, bool]:
    """Add DISTINCT, ORDER BY and limits; where rows are counted off, every column orders them."""
    total = ", ".join(repr(label) for label in labels)
    if plain and d.chance(12):
        if d.dialect == "postgresql" and d.chance(50):
            d.did("select: distinct on")
            return f"{code}.distinct(literal_column({labels[0]!r})).order_by({total})", True
        d.did("select: distinct")
        code += ".distinct()"
    elif plain and d.chance(10) and depth > 0 and d.budget > 1:
        d.did("subquery: in order by")
        return f"{code}.order_by({d.value(seen, 'int', depth - 1)})", False
    if not d.chance(35):
        return code, False
    code += f".order_by({total})"
    if d.chance(60):
        d.did("select: limit")
        if d.dialect == "postgresql" and d.chance(30):
            return f"{code}.fetch({1 + d.upto(3)}, with_ties=True)", True
        code += f".limit({1 + d.upto(3)})" + (f".offset({d.upto(2)})" if d.chance(40) else "")
    return code, True


SETS = ("union", "union_all", "intersect", "except_")


def set_operation(d: Draft, depth: int, outer: Sequence[Source], want: Sequence[str] | None) -> Query:
    """Return a set operation, nested and limited where the dialect can."""
    kinds = list(want) if want is not None else [d.pick(ONE_TO_COMPARE) for _ in range(1 + d.upto(1))]
    how = d.pick(SETS)
    d.did(f"set operation: {how.rstrip('_')}")
    parts = [_member(d, depth, outer, kinds) for _ in range(2)]
    name = d.let("u", f"{how}({', '.join(parts)})")
    labels = [f"x{n}" for n in range(1, len(kinds) + 1)]
    cols = [Col(label, kind) for label, kind in zip(labels, kinds, strict=True)]
    if not d.chance(30):
        return Query(name, cols)
    d.did("set operation: limit")
    total = ", ".join(repr(label) for label in labels)
    return Query(d.let("u", f"{name}.order_by({total}).limit({1 + d.upto(3)})"), cols, True)


def _member(d: Draft, depth: int, outer: Sequence[Source], kinds: Sequence[str]) -> str:
    """Return one side; SQLite takes no parentheses there, so what has its own tail becomes a subquery."""
    if depth > 0 and d.budget > 2 and d.chance(25):
        d.did("set operation: nested")
        inner = set_operation(d, depth - 1, outer, kinds)
    else:
        inner = select_(d, depth, outer=outer, want=kinds)
        if not inner.ordered and ".order_by(" not in d.lines[-1]:
            return inner.code
    return f"select({d.let('q', f'{inner.code}.subquery()')})" if d.dialect != "postgresql" else inner.code


def value(d: Draft, outer: Sequence[Source], kind: str, depth: int) -> str:
    """Return EXISTS where a truth value is asked for; a subquery of one row and column otherwise."""
    if kind == "bool":
        d.did("subquery: exists")
        return f"{select_(d, depth, outer=outer).code}.exists()" if d.chance(80) else _exists(d, depth, outer)
    if outer or d.chance(50):
        return _one_value(d, outer, kind, depth)
    inner = select_(d, depth, want=[kind])
    code = d.let("q", f"{inner.code}.subquery()")
    return f"select({code}.c.x1).order_by({code}.c.x1).limit(1).scalar_subquery()"


def _exists(d: Draft, depth: int, outer: Sequence[Source]) -> str:
    found, inner, _ = _from(d, depth, outer)
    return f"exists().select_from({', '.join(found)}){_where(d, inner, [*inner, *outer], depth)}"


def _one_value(d: Draft, outer: Sequence[Source], kind: str, depth: int) -> str:
    found, inner, _ = _from(d, depth, outer)
    code = f"select({aggregate(d, inner, kind, depth)}).select_from({', '.join(found)})"
    return f"{d.let('s', code + _where(d, inner, [*inner, *outer], depth))}.scalar_subquery()"
