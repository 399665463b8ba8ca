"""Compiled statements: made in one mode or for one tenant, executed in another."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from sqlalchemy import (
    bindparam,
    create_mock_engine,
    delete,
    func,
    insert,
    lambda_stmt,
    literal,
    select,
    update,
)
from sqlalchemy.ext import baked
from sqlalchemy.orm import Query, defaultload, joinedload, with_loader_criteria

from tenantguard.context import bind
from tenantguard.testing.vectors.escapes.helpers import planted_parent
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("cache")
def alternating_tenants(lab: Lab) -> Any:
    """Execute one statement object for the victim and then for the attacker."""
    statement, engine = select(lab.owned.table), lab.engine
    with lab.victim():
        lab.rows(statement)
    assert engine is lab.engine
    return lab.rows(statement)


@attack("cache")
def alternating_tenants_orm(lab: Lab) -> Any:
    """Execute one ORM statement for the victim and then for the attacker."""
    statement = select(lab.owned.cls)
    with lab.victim():
        lab.session().scalars(statement).all()
    return lab.session().scalars(statement).all()


@attack("cache")
def alternating_tenants_through(lab: Lab) -> Any:
    """Execute one statement over a table without a tenant column for both."""
    statement = select(lab.part.child.table)
    with lab.victim():
        lab.rows(statement)
    return lab.rows(statement)


@attack("cache")
def bypass_then_tenant(lab: Lab) -> Any:
    """Execute one statement in a bypass and then under a tenant."""
    statement = select(lab.owned.table)
    with lab.lifted():
        lab.rows(statement)
    return lab.rows(statement)


@attack("cache")
def bypass_then_tenant_orm(lab: Lab) -> Any:
    """Execute one ORM statement in a bypass and then under a tenant."""
    statement = select(lab.owned.cls)
    with lab.lifted():
        lab.session().scalars(statement).all()
    return lab.session().scalars(statement).all()


@attack("cache")
def bypass_then_tenant_update(lab: Lab) -> Any:
    """Execute one update in a bypass that is rolled back and then under a tenant."""
    o = lab.owned
    statement = update(o.table).values(o.set(text="taken"))
    with lab.lifted():
        lab.connect().execute(statement).close()
    lab.release()
    lab.write(statement)


@attack("cache")
def lazy_load_cached_in_bypass(lab: Lab) -> Any:
    """Load lazily in a bypass, and then with another session under a tenant by the same cached statement."""
    p = planted_parent(lab)
    with lab.lifted():
        list(lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0])).children)
    return list(lab.session().get(p.parent.cls, p.parent.ident(p.parent.a[0])).children)


@attack("cache")
def get_cached_in_bypass(lab: Lab) -> Any:
    """Get by key in a bypass, and then with another session under a tenant by the same cached statement."""
    o = lab.owned
    with lab.lifted():
        lab.session().get(o.cls, o.ident(o.b[0]))
    return lab.session().get(o.cls, o.ident(o.b[0]))


@attack("cache")
def flush_cached_in_bypass(lab: Lab) -> Any:
    """Flush in a bypass, and then flush a stub under a tenant by the mapper's own cached statement."""
    o = lab.owned
    session = lab.session()
    with lab.lifted():
        setattr(session.get(o.cls, o.ident(o.b[0])), o.text.key, "globex, changed")
        session.flush()
        session.rollback()
    lab.release()
    mine = lab.session()
    mine.bulk_update_mappings(o.cls, [{**o.keys_of(o.b[0]), **o.set(text="taken")}])
    mine.commit()


@attack("cache")
def set_then_tenant(lab: Lab) -> Any:
    """Execute one statement for a set of tenants and then for one."""
    statement = select(func.count()).select_from(lab.owned.table)
    with bind([lab.a, lab.b]):
        lab.rows(statement)
    return lab.told(lab.rows(statement)[0][0], len(lab.owned.a))


@attack("cache")
def larger_set_then_smaller(lab: Lab) -> Any:
    """Execute one statement for a set of three and then for a set of two."""
    statement = select(lab.owned.table)
    other = "nobody" if isinstance(lab.a, str) else lab.a
    with bind([lab.a, lab.b, other]):
        lab.rows(statement)
    with bind([lab.a, other]):
        return lab.rows(statement)


@attack("cache")
def own_compiled_cache(lab: Lab) -> Any:
    """Share a custom compiled cache between a bypass and a tenant."""
    cache: dict[Any, Any] = {}
    statement = select(lab.owned.table)
    with lab.lifted():
        lab.connect().execution_options(compiled_cache=cache).execute(statement).all()
    return list(lab.connect().execution_options(compiled_cache=cache).execute(statement).all())


@attack("cache")
def own_compiled_cache_of_bare_engine(lab: Lab) -> Any:
    """Fill a compiled cache on an unguarded engine and use it on the guarded one."""
    cache: dict[Any, Any] = {}
    statement = select(lab.owned.table)
    with lab.admin.connect() as connection:
        connection.execution_options(compiled_cache=cache).execute(statement).all()
    moved = {(lab.engine.dialect, *key[1:]): value for key, value in cache.items()}
    return list(lab.connect().execution_options(compiled_cache=moved).execute(statement).all())


@attack("cache")
def no_compiled_cache(lab: Lab) -> Any:
    """Switch the compiled cache off."""
    return list(lab.connect().execution_options(compiled_cache=None).execute(select(lab.owned.table)).all())


@attack("cache")
def lambda_alternating(lab: Lab) -> Any:
    """Execute one lambda statement in a bypass and then under a tenant."""
    found = lab.owned.table

    def make() -> Any:
        return lambda_stmt(lambda: select(found))

    with lab.lifted():
        lab.rows(make())
    return lab.rows(make())


@attack("cache")
def lambda_with_condition(lab: Lab) -> Any:
    """Add a lambda condition that names the victim."""
    o = lab.owned
    table, tenant, who = o.table, o.tenant, lab.b
    statement = lambda_stmt(lambda: select(table))
    statement += lambda found: found.where(tenant == who)
    return lab.rows(statement)


@attack("cache")
def baked_query(lab: Lab) -> Any:
    """Execute a baked query in a bypass and then under a tenant."""
    bakery: Any = baked.bakery()  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
    query = bakery(lambda session: session.query(lab.owned.cls))
    with lab.lifted():
        query(lab.session()).all()
    return query(lab.session()).all()


@attack("cache")
def pickled_statement(lab: Lab) -> Any:
    """Execute a statement that was copied deeply after its use in a bypass."""
    statement = select(lab.owned.table)
    with lab.lifted():
        lab.rows(statement)
    return lab.rows(copy.copy(statement))


@attack("cache")
def pickled_own_statement(lab: Lab) -> Any:
    """Pickle a statement of one of the application's classes and execute what was read back."""
    wanted = [m for m in lab.mappers if lab.tenancy.of(m.local_table).kind == "owned" and m.inherits is None]
    if not wanted:
        lab.only("a schema with mapped classes")
    try:
        stored = [pickle.dumps(select(m.local_table)) for m in wanted]
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotApplicable(f"a table cannot be pickled: {error}") from error
    return [lab.rows(pickle.loads(one)) for one in stored]  # noqa: S301 - made one line above


@attack("cache")
def expanding_parameter(lab: Lab) -> Any:
    """Use an expanding parameter for one and then for both tenants."""
    o = lab.owned
    statement = select(o.table).where(o.tenant.in_(bindparam("who", expanding=True)))
    lab.rows(statement, {"who": [lab.a]})
    return lab.rows(statement, {"who": [lab.a, lab.b]})


@attack("cache")
def literal_execute_parameter(lab: Lab) -> Any:
    """Render the victim's id into the statement by a literal parameter."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == bindparam("who", lab.b, literal_execute=True)))


@attack("cache")
def same_text_other_parameters(lab: Lab) -> Any:
    """Use a statement with the victim's key after one of the same shape with the attacker's key."""
    o = lab.owned
    lab.rows(select(o.table).where(o.match(o.a[0])))
    return lab.rows(select(o.table).where(o.match(o.b[0])))


@attack("cache")
def insert_shape_reused(lab: Lab) -> Any:
    """Insert a row for the victim with the same statement shape as one of the attacker's inserts."""
    o = lab.leaf
    statement = insert(o.table)
    lab.write(statement, o.new("a", 100))
    lab.write(statement, o.new("b", 101))


@attack("cache")
def insert_unstamped_then_named(lab: Lab) -> Any:
    """Insert many rows, of which the first names the attacker and a later one the victim."""
    o = lab.leaf
    lab.orm_write(insert(o.cls), [o.new("a", 100), *(o.new("b", n) for n in range(101, 110))])


@attack("cache")
def delete_shape_reused(lab: Lab) -> Any:
    """Delete in a bypass that is rolled back, and then by the same statement under a tenant."""
    o = lab.leaf
    statement = delete(o.table).where(o.pk == bindparam("k"))
    with lab.lifted():
        lab.connect().execute(statement, {"k": o.b[0][o.pk.key]}).close()
    lab.release()
    lab.write(statement, {"k": o.b[0][o.pk.key]})


@attack("cache")
def loader_criteria_of_ones_own(lab: Lab) -> Any:
    """Add custom loader criteria that are true for every row."""
    o = lab.owned
    return lab.orm(select(o.cls).options(with_loader_criteria(o.cls, literal(1) == 1)))


@attack("cache")
def loader_option_reused(lab: Lab) -> Any:
    """Use a cached loader option in a bypass and then under a tenant."""
    p = planted_parent(lab)
    statement = select(p.parent.cls).options(
        joinedload(p.parent.cls.children), defaultload(p.parent.cls.children)
    )
    with lab.lifted():
        lab.orm(statement)
    return lab.orm(statement)


@attack("cache")
def query_class_of_ones_own(lab: Lab) -> Any:
    """Query with a subclass of the legacy query that was used in a bypass."""

    class Mine(Query[Any]):
        pass

    with lab.lifted():
        lab.session(query_cls=Mine).query(lab.owned.cls).all()
    return lab.session(query_cls=Mine).query(lab.owned.cls).all()


@attack("cache")
def text_of_compiled(lab: Lab) -> Any:
    """Hand the driver the text of a statement that was compiled elsewhere."""
    sql = str(select(lab.owned.table).compile(dialect=lab.admin.dialect))
    return lab.connect().exec_driver_sql(sql).all()


@attack("cache")
def mock_engine_dump(lab: Lab) -> Any:
    """Execute on the guarded engine what a mock engine has compiled."""
    dumped: list[Any] = []
    mock: Any = create_mock_engine(lab.url, lambda statement, *args, **kwargs: dumped.append(statement))
    mock.execute(select(lab.owned.table))
    return [lab.rows(statement) for statement in dumped]
