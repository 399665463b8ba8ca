"""Values that no statement names: column defaults, and the contents of cached results."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnDefault, MetaData, Table, insert, select, text, update
from sqlalchemy.orm.loading import merge_frozen_result

from tenantguard.testing.vectors.escapes.helpers import text_of
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


def _defaulted(table: Table, given: dict[str, Any], *, for_update: bool = False) -> Table:
    """Return a copy of a table whose columns have defaults, or defaults of an UPDATE."""
    copy = table.to_metadata(MetaData())
    for key, value in given.items():
        default: Any = ColumnDefault(value, for_update=for_update)
        default._set_parent_with_dispatch(copy.c[key])
    return copy


@attack("writes")
def fk_default(lab: Lab) -> Any:
    """Insert a row whose foreign key is left to a default that names the victim's parent."""
    p = lab.pair
    keys = p.to(p.parent.b[0])
    row = {key: value for key, value in p.child.new("a").items() if key not in keys}
    lab.write(insert(_defaulted(p.child.table, keys)).values(row))


@attack("writes")
def fk_default_many(lab: Lab) -> Any:
    """Insert many rows in one VALUES, the last of which leaves its foreign key to such a default."""
    p = lab.pair
    keys = p.to(p.parent.b[0])
    rows = [p.child.new("a", 100 + n) for n in range(3)]
    rows[-1] = {key: value for key, value in rows[-1].items() if key not in keys}
    lab.write(insert(_defaulted(p.child.table, keys)).values(rows))


@attack("writes")
def fk_onupdate(lab: Lab) -> Any:
    """Change another column of a row whose foreign key has an UPDATE default that names the victim's parent."""
    p = lab.pair
    keys = p.to(p.parent.b[0])
    table = _defaulted(p.child.table, keys, for_update=True)
    touched = {key: table.c[key] for key in list(p.child.new("a")) if key not in keys}
    key = next(iter(touched))
    lab.write(update(table).where(p.child.match(p.child.a[0], table)).values({key: p.child.a[0][key]}))


@attack("writes")
def tenant_onupdate(lab: Lab) -> Any:
    """Change a row whose tenant column has an UPDATE default that names the victim."""
    o = lab.leaf
    table = _defaulted(o.table, {o.tenant.key: lab.b}, for_update=True)
    key = next(key for key in o.new("a") if key != o.tenant.key)
    lab.write(update(table).where(o.match(o.a[0], table)).values({key: o.a[0][key]}))


@attack("raw SQL")
def default_executed(lab: Lab) -> Any:
    """Execute the SQL of a column's default by itself, with no statement around it."""
    return [lab.connect().scalar(ColumnDefault(text(text_of(lab, lab.owned))))]


@attack("identity map")
def frozen_result_thawed(lab: Lab) -> Any:
    """Thaw, in the attacker's session, a result that was frozen during the victim's turn."""
    statement = select(lab.owned.cls)
    with lab.victim():
        frozen = lab.session().execute(statement).freeze()
    merge: Any = merge_frozen_result  # SQLAlchemy has no type for it
    return merge(lab.session(), statement, frozen, load=False)().all()


@attack("identity map")
def merged_without_load(lab: Lab) -> Any:
    """Merge, without querying the database, an object that the victim's session has loaded."""
    o = lab.owned
    with lab.victim():
        held = lab.session().get(o.cls, o.ident(o.b[0]))
    return lab.session().merge(held, load=False)
