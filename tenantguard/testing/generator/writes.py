"""INSERT, UPDATE and DELETE in each form, on a connection or through the ORM."""

from __future__ import annotations

from collections.abc import Callable

from tenantguard.testing.generator import expressions, sources
from tenantguard.testing.generator.draft import Draft, Source
from tenantguard.testing.generator.elements import class_source, table_source
from tenantguard.testing.generator.rows import Named, attributes, change, new_row, writable, writable_classes
from tenantguard.testing.generator.schema import TableInfo


def write_statements(d: Draft) -> None:
    """Write one to three statements, and look at the table in between."""
    for _ in range(1 + d.upto(2)):
        makers: list[Callable[[Draft], None]] = [_insert, _update, _delete, _update, _insert_select, _upsert]
        if d.dialect == "postgresql":
            makers.append(_writing_cte)
        d.pick(makers)(d)
        if d.chance(15):
            d.body += ["with see:", f"    see(db.execute(select({d.pick(writable(d)).name})))"]


def _step(d: Draft, call: str) -> None:
    d.body += ["with see:", f"    see({call})"]


def _returning(d: Draft, table: TableInfo, verb: str) -> str:
    if (d.dialect == "mysql" and verb == "update") or not d.chance(30):
        return ""
    d.did(f"{verb}: returning")
    return f".returning({', '.join(c.code(table.name) for c in table.columns)})"


def _insert(d: Draft) -> None:
    if d.orm and d.chance(40) and writable_classes(d):
        _insert_class(d)
        return
    table = d.pick(writable(d))
    form = d.pick(("one", "many", "values list", "subquery"))
    d.did(f"insert: {form}")
    tail = _returning(d, table, "insert")
    if form == "many":
        say = d.chance(25)
        rows = ", ".join(new_row(d, table, tenant=say) for _ in range(2 + d.upto(1)))
        _step(d, f"db.execute(insert({table.name}){tail}, [{rows}])")
    elif form == "values list":
        say = d.chance(25)
        rows = ", ".join(new_row(d, table, tenant=say) for _ in range(2 + d.upto(1)))
        _step(d, f"db.execute(insert({table.name}).values([{rows}]){tail})")
    else:
        extra = _computed(d, table) if form == "subquery" else ""
        _step(d, f"db.execute(insert({table.name}).values({new_row(d, table)}){extra}{tail})")


def _computed(d: Draft, table: TableInfo) -> str:
    """Return a further ``values`` whose value is asked of the database."""
    able = [c for c in table.plain() if c.kind in ("int", "str") and not c.nullable]
    if not able:
        return ""
    column = d.pick(able)
    source = sources.leaf(d, 0, (), ())
    known = expressions.columns([source], column.kind)
    if not known:
        return ""
    inner = f"select(func.max({d.pick(known).code})).select_from({source.code}).scalar_subquery()"
    return f".values({{{column.name!r}: func.coalesce({inner}, {d.sample(column.kind)})}})"


def _insert_class(d: Draft) -> None:
    cls = d.pick(writable_classes(d))
    d.did("insert: class")
    say = d.chance(25)
    rows = ", ".join(
        new_row(d, d.schema.tables[cls.table], named=attributes(cls), tenant=say)
        for _ in range(1 + d.upto(2))
    )
    returning = ""
    if d.chance(40):
        d.did("insert: class returning")
        returning = f".returning({cls.name})"
    call = f"db.execute(insert({cls.name}){returning}, [{rows}])"
    d.body += ["with see:", f"    see({call})" if returning else f"    {call}"]


def _insert_select(d: Draft) -> None:
    """Copy rows of the table itself under new keys."""
    able = [t for t in writable(d) if _copyable(t)]
    if not able:
        _insert(d)
        return
    table = d.pick(able)
    d.did("insert: from select")
    source = table_source(d, table, alias=True)
    say = d.chance(25)
    columns = [c for c in table.columns if say or c.name != table.tenant_column]
    values = [
        f"{c.code(source.code)} + 1000"
        if c.primary and c.name != table.tenant_column
        else c.code(source.code)
        for c in columns
    ]
    where = f".where({expressions.predicate(d, [source], 1)})" if d.chance(60) else ""
    names = [c.name for c in columns]
    inner = f"select({', '.join(values)}){where}"
    if d.chance(20):
        d.did("insert: from cte")
        cte = d.let("c", f"select({source.code}){where}.cte()")
        inner = f"select({', '.join(v.replace(f'{source.code}.', f'{cte}.', 1) for v in values)})"
    if d.chance(30):
        inner = f"{inner}.order_by({', '.join(source.order or ())}).limit({1 + d.upto(2)})"
    _step(
        d, f"db.execute(insert({table.name}).from_select({names!r}, {inner}){_returning(d, table, 'insert')})"
    )


def _copyable(table: TableInfo) -> bool:
    keys = [c for c in table.key if c.name != table.tenant_column]
    alone = len(keys) == 1 and keys[0].kind == "int" and not keys[0].foreign
    return alone and not any(c.unique for c in table.columns)


def _upsert(d: Draft) -> None:
    able = [t for t in writable(d) if t.plain()]
    table = d.pick(able or writable(d))
    changed = change(d, [(c.name, c) for c in table.columns])
    say = d.chance(25)
    row = new_row(d, table, tenant=say)
    if d.chance(60):
        row = _with_own_key(d, table, row)
    rows = row
    if d.chance(20):
        d.did("insert: upsert of many")
        rows = f"[{row}, {new_row(d, table, tenant=say)}]"
    statement = f"{d.dialect}_insert({table.name}).values({rows})"
    d.did("insert: upsert")
    if d.dialect == "mysql":
        column, value = changed or (table.key[0].name, table.key[0].code(table.name))
        _step(d, f"db.execute({statement}.on_duplicate_key_update({{{column!r}: {value}}}))")
        return
    keys = [c.name for c in table.key]
    if changed is None or d.chance(30):
        d.did("insert: on conflict do nothing")
        target = f"index_elements={keys!r}" if d.chance(50) else ""
        _step(d, f"db.execute({statement}.on_conflict_do_nothing({target}){_returning(d, table, 'insert')})")
        return
    d.did("insert: on conflict do update")
    column, value = changed
    value = f"{d.let_body('i', statement)}.excluded[{column!r}]" if d.chance(40) else value
    where = ""
    if d.chance(40):
        where = f", where={expressions.predicate(d, [table_source(d, table, alias=False)], 0)}"
    clause = f".on_conflict_do_update(index_elements={keys!r}, set_={{{column!r}: {value}}}{where})"
    _step(d, f"db.execute({statement}{clause}{_returning(d, table, 'insert')})")


def _with_own_key(d: Draft, table: TableInfo, row: str) -> str:
    """Return the row with the key of one that is there."""
    number = d.upto(2)
    key = f"own({table.name!r}, {number})"
    keys = list(table.key)
    parts = [
        f"{c.name!r}: {key if len(keys) == 1 else f'{key}[{at}]'}"
        for at, c in enumerate(keys)
        if c.name != table.tenant_column
    ]
    return f"{{**{row}, {', '.join(parts)}}}" if parts else row


def _target(d: Draft) -> tuple[Source, TableInfo]:
    classes = writable_classes(d)
    if d.orm and classes and d.chance(60):
        cls = d.pick(classes)
        return class_source(d, cls, alias=False), d.schema.tables[cls.table]
    table = d.pick(writable(d))
    return table_source(d, table, alias=False), table


def _update(d: Draft) -> None:
    form = d.pick(("plain", "plain", "many", "from", "subquery"))
    if form == "many":
        _update_many(d)
        return
    target, table = _target(d)
    pairs = _pairs(target)
    changed = change(d, pairs)
    if changed is None:
        _delete(d)
        return
    name, value = changed
    where, value = _narrowed(d, target, table, form, name, value)
    options = _synchronize(d, target)
    returning = _returning(d, table, "update") if target.cls is None else ""
    d.did(f"update: {form}" if target.cls is None else f"update: class {form}")
    _step(d, f"db.execute(update({target.code}){where}.values({{{name!r}: {value}}}){returning}{options})")


def _pairs(target: Source) -> list[Named]:
    if target.cls is None:
        assert target.table is not None
        return [(c.name, c) for c in target.table.columns]
    return list(target.cls.attributes)


def _narrowed(
    d: Draft, target: Source, table: TableInfo, form: str, name: str, value: str
) -> tuple[str, str]:
    where = f".where({expressions.predicate(d, [target], 1)})" if d.chance(75) else ""
    info = next(info for key, info in _pairs(target) if key == name)
    if form == "from":
        linked = _other_table(d, target)
        if linked is not None:
            other, condition = linked
            where += f".where({condition})"
            if d.chance(50):
                where += f".where({expressions.predicate(d, [other], 0)})"
            known = [c for c in other.cols if c.kind == info.kind and not (c.info is None or c.info.nullable)]
            known = [] if info.foreign else known
            if known and d.chance(50):
                value = d.pick(known).code
    elif form == "subquery" and not info.foreign and info.kind in ("int", "str") and d.budget > 1:
        value = f"func.coalesce({d.value([target], info.kind, 0)}, {d.sample(info.kind)})"
    return where, value


def _other_table(d: Draft, target: Source) -> tuple[Source, str] | None:
    """Return the parent of the target's rows, so that each row meets one other row, and the condition."""
    if target.table is None or (target.cls is not None and target.cls.base is not None):
        return None
    able = [link for link in target.table.links if link.parent != target.table.name]
    if not able:
        return None
    link = d.pick(able)
    other = table_source(d, d.schema.tables[link.parent], alias=d.chance(40))
    pairs = []
    for ours, theirs in link.pairs:
        mine = next(c.code for c in target.cols if c.info is not None and c.info.name == ours)
        pairs.append(f"{mine} == {d.schema.tables[link.parent].named(theirs).code(other.code)}")
    return other, pairs[0] if len(pairs) == 1 else f"and_({', '.join(pairs)})"


def _synchronize(d: Draft, target: Source) -> str:
    if target.cls is None or not d.chance(50):
        return ""
    how = d.pick(("'fetch'", "'evaluate'", "False"))
    d.did(f"synchronize_session: {how}")
    return f".execution_options(synchronize_session={how})"


def _update_many(d: Draft) -> None:
    """Update by primary key, many rows in one call."""
    target, table = _target(d)
    keys = [
        (name, info) for name, info in _pairs(target) if info.primary and info.name != table.tenant_column
    ]
    if target.cls is not None:
        keys = [(name, info) for name, info in keys if name in target.cls.key]
    changed = [change(d, _pairs(target)) for _ in range(2)]
    if changed[0] is None or changed[1] is None or len(table.key) != 1 or not keys:
        _delete(d)
        return
    key, info = keys[0]
    name = changed[0][0]
    whose = target.cls.name if target.cls is not None else table.name
    own = [f"own({whose!r}, {n})" for n in range(2)]
    if d.chance(12):
        d.did("write: another tenant's key")
        own[1] = f"other({whose!r}, 0)"
    if target.cls is not None:
        d.did("update: bulk by key")
        rows = ", ".join(f"{{{key!r}: {o}, {name!r}: {changed[0][1]}}}" for o in own)
        _step(d, f"db.execute(update({target.code}), [{rows}])")
        return
    d.did("update: executemany")
    rows = ", ".join(f"{{'k': {o}, 'v': {changed[0][1]}}}" for o in own)
    where = f"{info.code(target.code)} == bindparam('k')"
    _step(
        d, f"db.execute(update({target.code}).where({where}).values({{{name!r}: bindparam('v')}}), [{rows}])"
    )


def _delete(d: Draft) -> None:
    target, table = _target(d)
    where = f".where({expressions.predicate(d, [target], 1)})" if d.chance(80) else ""
    d.did("delete" if target.cls is None else "delete: class")
    if d.dialect != "sqlite" and d.chance(30):
        linked = _other_table(d, target)
        if linked is not None:
            d.did("delete: using")
            where += f".where({linked[1]}).where({expressions.predicate(d, [linked[0]], 0)})"
    returning = _returning(d, table, "delete") if target.cls is None else ""
    _step(d, f"db.execute(delete({target.code}){where}{returning}{_synchronize(d, target)})")


def _writing_cte(d: Draft) -> None:
    """Write inside of a CTE and read what came of it, which PostgreSQL can."""
    table = d.pick(writable(d))
    verb = d.pick(("insert", "update", "delete"))
    d.did(f"cte: {verb}")
    source = table_source(d, table, alias=False)
    columns = ", ".join(c.code(table.name) for c in table.columns)
    where = f".where({expressions.predicate(d, [source], 1)})"
    changed = change(d, [(c.name, c) for c in table.columns])
    if verb == "insert" or (verb == "update" and changed is None):
        code = f"insert({table.name}).values({new_row(d, table)})"
    elif verb == "update" and changed is not None:
        code = f"update({table.name}){where}.values({{{changed[0]!r}: {changed[1]}}})"
    else:
        code = f"delete({table.name}){where}"
    name = d.let_body("w", f"{code}.returning({columns}).cte()")
    _step(d, f"db.execute(select({name}))")
