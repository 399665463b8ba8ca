"""Reads: each FROM of each SELECT carries the predicate where it must stand, on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    and_,
    column,
    exists,
    func,
    lateral,
    literal,
    or_,
    select,
    table,
    text,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    joinedload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    with_polymorphic,
)

from tenantguard import NoTenantError, Tenancy, UnknownTableError, bind, bypass
from tests.models import (
    Base,
    Call,
    CallStats,
    CallTag,
    Comment,
    Company,
    Country,
    Document,
    Employee,
    Invoice,
    Label,
    Manager,
    Number,
    Order,
    OrderLine,
    TagNote,
    User,
    call_labels,
)
from tests.sql.world import TABLES, World, memory_world, statements

CALLS, NUMBERS, TAGS, NOTES = (TABLES[name] for name in ("calls", "numbers", "call_tags", "tag_notes"))


def rows(world: World, statement: Any, tenant: Any = "acme") -> list[tuple[Any, ...]]:
    """Return what a tenant reads, sorted."""
    with bind(tenant), world.engine.connect() as connection:
        return sorted(map(tuple, connection.execute(statement)), key=repr)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "countries" and name != "sessions_log"])
def test_every_table_shows_the_tenants_rows_only(world: World, name: str) -> None:
    """Whatever way a table belongs, what two tenants see is disjoint, and together with the third it is all."""
    with world.plain.connect() as connection:
        everything = {tuple(row) for row in connection.execute(select(TABLES[name]))}
    seen = [set(rows(world, select(TABLES[name]), tenant)) for tenant in ("acme", "globex", "initech")]
    assert all(seen)
    assert sum(map(len, seen)) == len(everything)
    assert set.union(*seen) == everything


@pytest.mark.parametrize(
    "model", [Call, CallTag, TagNote, Comment, Company, Document, Invoice, Employee, Manager, Label, Order,
              OrderLine, CallStats, User, Number],
)  # fmt: skip
def test_every_model_shows_the_tenants_rows_only(world: World, model: Any) -> None:
    """The same through the ORM: inheritance, a view and composite keys included."""
    with bind("acme"), Session(world.engine) as session:
        mine = session.scalars(select(model)).all()
        counted = session.scalar(select(func.count()).select_from(model))
    with Session(world.plain) as session:
        everything = session.scalars(select(model)).all()
    assert len(mine) == counted
    assert len(mine) > 0
    assert len(mine) * 3 == len(everything)


def test_shared_rows_are_the_same_for_all(world: World) -> None:
    """A shared table has no predicate."""
    assert rows(world, select(Country.code)) == [("DE",), ("FR",), ("IR",)]


def test_nothing_bound_reads_nothing(world: World) -> None:
    """An owned table asks for a binding."""
    with world.engine.connect() as connection, pytest.raises(NoTenantError):
        connection.execute(select(CALLS))


def test_a_bypass_reads_everything(world: World) -> None:
    """In a bypass no predicate is added."""
    with bypass(reason="a count"), world.engine.connect() as connection:
        assert len(connection.execute(select(CALLS)).all()) == 9


def test_the_text_is_shared_and_the_parameter_varies(memory: World) -> None:
    """Two tenants use one compiled statement, and no id stands in the SQL."""
    with statements(memory.engine) as seen:
        assert rows(memory, select(CALLS.c.id)) != rows(memory, select(CALLS.c.id), "globex")
    assert len(set(seen)) == 1
    assert "acme" not in seen[0]


def test_a_caller_cannot_give_the_guards_parameter(memory: World) -> None:
    """What is given under the name of the guard's parameter is overwritten."""
    statement = select(CALLS.c.id)
    with bind("acme"), memory.engine.connect() as connection:
        (name,) = statement.compile(connection).positiontup or [""]
        assert len(connection.execute(statement, {name: "globex"}).all()) == 3
        assert all(row[0] < 100 for row in connection.execute(statement, {name: "globex"}))


def test_or_cannot_get_around_the_predicate(world: World) -> None:
    """The user's criteria stand in parentheses beside ours."""
    assert len(rows(world, select(CALLS.c.id).where(or_(CALLS.c.id > 0, true())))) == 3


def test_an_aggregate_counts_the_tenants_rows(world: World) -> None:
    """Counts, sums and groups are of the tenant's rows."""
    assert rows(world, select(func.count(CALLS.c.id), func.sum(CALLS.c.seconds))) == [(3, 60)]
    grouped = select(CALLS.c.country_code, func.count()).group_by(CALLS.c.country_code)
    assert rows(world, grouped) == [("DE", 2), ("FR", 1)]


def test_an_inner_join_is_guarded_on_both_sides(world: World) -> None:
    """A join on a condition that does not tie the tenants shows neither side's foreign rows."""
    joined = select(CALLS.c.id, NUMBERS.c.id).join(NUMBERS, true())
    assert len(rows(world, joined)) == 6


def test_an_outer_join_keeps_its_own_rows(world: World) -> None:
    """The predicate of the null-extended side stands in ON: acme's call without a user stays."""
    joined = select(CALLS.c.id, TABLES["users"].c.id).outerjoin(TABLES["users"])
    assert rows(world, joined) == [(1, 1), (2, 1), (3, None)]


def test_an_outer_join_does_not_tell_of_foreign_rows(world: World) -> None:
    """A condition that reaches another tenant's row is null-extended, as if there were none."""
    users = TABLES["users"]
    joined = select(CALLS.c.id, users.c.id).outerjoin(users, users.c.id == CALLS.c.id + 100)
    assert rows(world, joined) == [(1, None), (2, None), (3, None)]


def test_nested_joins_are_guarded(world: World) -> None:
    """A join on the right of an outer join is guarded as a whole."""
    companies = TABLES["companies"]
    inner = NUMBERS.join(companies, companies.c.id != NUMBERS.c.digits)
    joined = select(CALLS.c.id, companies.c.id).outerjoin_from(CALLS, inner, NUMBERS.c.id > CALLS.c.id - 9)
    assert {row[1] for row in rows(world, joined)} == {"acme"}


def test_a_full_join_keeps_its_own_rows(world: World) -> None:
    """Both sides of a FULL JOIN are derived tables of the tenant's rows."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has no FULL JOIN")
    users = TABLES["users"]
    joined = select(CALLS.c.id, users.c.id).select_from(
        CALLS.join(users, CALLS.c.user_id == users.c.id, full=True)
    )
    assert rows(world, joined) == [(1, 1), (2, 1), (3, None), (None, 2)]


def test_a_full_join_of_aliases(world: World) -> None:
    """The derived tables keep the names of the aliases."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has no FULL JOIN")
    one, two = CALLS.alias(), CALLS.alias()
    joined = select(one.c.id, two.c.id).select_from(one.join(two, one.c.id == two.c.id + 2, full=True))
    assert len(rows(world, joined)) == 5


def _subquery() -> Any:
    inner = select(CALLS.c.id).subquery()
    return select(inner.c.id)


def _scalar_subquery() -> Any:
    return select(select(func.count(CALLS.c.id)).scalar_subquery())


def _correlated() -> Any:
    count = select(func.count()).where(CALLS.c.number_id == NUMBERS.c.id).scalar_subquery()
    return select(NUMBERS.c.id, count)


def _cte() -> Any:
    found = select(CALLS.c.id).cte("found")
    return select(found.c.id)


def _cte_nesting() -> Any:
    inner = select(CALLS.c.id).cte("inner", nesting=True)
    outer = select(inner.c.id).cte("outer")
    return select(outer.c.id)


def _recursive() -> Any:
    comments = TABLES["comments"]
    tree = (
        select(comments.c.id, comments.c.parent_id).where(comments.c.parent_id.is_(None)).cte(recursive=True)
    )
    more = select(comments.c.id, comments.c.parent_id).join(tree, comments.c.parent_id == tree.c.id)
    return select(tree.union_all(more).c.id)


def _union() -> Any:
    return union(select(CALLS.c.id), select(NUMBERS.c.id))


def _union_of_limits() -> Any:
    halves = [select(CALLS.c.id).order_by(CALLS.c.id.desc()).limit(1).subquery() for _ in range(2)]
    return union_all(*(select(half.c.id) for half in halves))


def _exists() -> Any:
    return select(exists(select(CALLS.c.id).where(CALLS.c.id == 101)))


def _in() -> Any:
    return select(NUMBERS.c.id).where(literal(101).in_(select(CALLS.c.number_id)))


def _window() -> Any:
    return select(CALLS.c.id, func.rank().over(order_by=CALLS.c.seconds.desc()))


def _self_join() -> Any:
    other = CALLS.alias()
    return select(CALLS.c.id, other.c.id).where(CALLS.c.id < other.c.id)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (_subquery, [(1,), (2,), (3,)]),
        (_scalar_subquery, [(3,)]),
        (_correlated, [(1, 2), (2, 1)]),
        (_cte, [(1,), (2,), (3,)]),
        (_cte_nesting, [(1,), (2,), (3,)]),
        (_recursive, [(1,), (2,)]),
        (_union, [(1,), (2,), (3,)]),
        (_union_of_limits, [(3,), (3,)]),
        (_exists, [(0,)]),
        (_in, []),
        (_window, [(1, 3), (2, 2), (3, 1)]),
        (_self_join, [(1, 2), (1, 3), (2, 3)]),
    ],
)
def test_every_depth_is_guarded(world: World, form: Callable[[], Any], expected: list[Any]) -> None:
    """Subqueries, CTEs, set operations, EXISTS and windows see the tenant's rows only."""
    assert rows(world, form()) == expected


def test_a_lateral_join_is_guarded(world: World) -> None:
    """The subquery of a LATERAL carries its own predicate."""
    if world.backend != "postgresql":
        pytest.skip("LATERAL exists on PostgreSQL")
    last = lateral(select(CALLS.c.id).where(CALLS.c.number_id <= NUMBERS.c.id + 200).limit(9))
    assert {row[1] for row in rows(world, select(NUMBERS.c.id, last.c.id).join(last, true()))} == {1, 2, 3}


def test_a_cte_that_shadows_a_table_hides_nothing(world: World) -> None:
    """A CTE named like a table is built from guarded rows, and the table beside it is guarded as well."""
    shadow = select(CALLS.c.id).cte("numbers")
    assert rows(world, select(shadow.c.id)) == [(1,), (2,), (3,)]


# -- through ----------------------------------------------------------------------------------------------


def test_a_through_table_leads_to_its_owner(memory: World) -> None:
    """Alone, it carries an EXISTS, chains included."""
    with statements(memory.engine) as seen:
        assert rows(memory, select(NOTES.c.id)) == [(1,)]
    assert seen[0].count("EXISTS") == 2


def test_a_through_table_joined_to_its_parent_needs_no_second_predicate(memory: World) -> None:
    """The parent is guarded, and the key leads to it."""
    with statements(memory.engine) as seen:
        assert rows(memory, select(TAGS.c.id).join(CALLS, TAGS.c.call_id == CALLS.c.id)) == [(1,), (2,)]
    assert "EXISTS" not in seen[0]


@pytest.mark.parametrize(
    "on",
    [
        TAGS.c.call_id != CALLS.c.id,
        or_(TAGS.c.call_id == CALLS.c.id, true()),
        or_(TAGS.c.call_id == CALLS.c.id, CALLS.c.id == 1),
        TAGS.c.id == CALLS.c.id + 100,
        and_(TAGS.c.call_id > CALLS.c.id, CALLS.c.id == 1),
    ],
)
def test_a_through_table_joined_otherwise_is_guarded_itself(world: World, on: Any) -> None:
    """A join that does not follow the key proves nothing."""
    assert {row[0] for row in rows(world, select(TAGS.c.id).select_from(CALLS.join(TAGS, on)))} <= {1, 2}


def test_a_through_table_outer_joined_to_its_parent_is_guarded_itself(world: World) -> None:
    """On the preserved side of an outer join, the parent's predicate does not remove its rows."""
    joined = select(TAGS.c.id).select_from(TAGS.outerjoin(CALLS, TAGS.c.call_id == CALLS.c.id))
    assert rows(world, joined) == [(1,), (2,)]


def test_two_aliases_of_a_through_table_are_told_apart(world: World) -> None:
    """The link of one alias does not vouch for the other."""
    one, two = TAGS.alias(), TAGS.alias()
    joined = select(two.c.id).select_from(
        CALLS.join(one, one.c.call_id == CALLS.c.id).join(two, two.c.id >= CALLS.c.id)
    )
    assert {row[0] for row in rows(world, joined)} == {1, 2}


def test_an_association_table_is_guarded(world: World) -> None:
    """A secondary table has no class and no tenant column, and belongs all the same."""
    assert rows(world, select(call_labels)) == [(1, 1), (1, 2), (2, 1)]


def test_a_joined_child_alone_is_guarded(world: World) -> None:
    """The table of a joined-inheritance child belongs through its base."""
    assert rows(world, select(TABLES["managers"].c.id)) == [(2,)]


# -- the ORM ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [joinedload, selectinload, subqueryload])
def test_eager_loads_are_guarded(world: World, load: Any) -> None:
    """Collections hold the tenant's rows, however they are loaded."""
    statement = select(Number).options(load(Number.calls).options(load(Call.tags), load(Call.labels)))
    with bind("acme"), Session(world.engine) as session:
        numbers = session.scalars(statement.order_by(Number.id)).unique().all()
        # a collection without an order_by comes in the order that the database likes
        assert [sorted(call.id for call in number.calls) for number in numbers] == [[1, 2], [3]]
        assert sorted(tag.id for number in numbers for call in number.calls for tag in call.tags) == [1, 2]


def test_lazy_loads_are_guarded(world: World) -> None:
    """What is loaded on access carries the predicate too."""
    with bind("acme"), Session(world.engine) as session:
        call = session.get_one(Call, 1)
        assert (call.number.id, [tag.id for tag in call.tags]) == (1, [1])
        assert sorted(label.id for label in call.labels) == [1, 2]


def test_a_parent_of_another_tenant_is_not_loaded(memory: World) -> None:
    """A row that points at a foreign parent (written without the guard) shows none."""
    with memory.plain.begin() as connection:
        connection.execute(CALLS.update().where(CALLS.c.id == 1).values(number_id=101))
    with bind("acme"), Session(memory.engine) as session:
        call = session.get_one(Call, 1)
        number: Any = call.number
        assert number is None


def test_get_of_another_tenants_key_finds_nothing(world: World) -> None:
    """Session.get() by key."""
    with bind("acme"), Session(world.engine) as session:
        assert session.get(Call, 101) is None
        assert session.get(Order, ("globex", 1)) is None
        assert session.get(Company, "globex") is None


def test_refresh_of_a_loaded_object_is_guarded(memory: World) -> None:
    """A row that was moved away meanwhile is gone for the session that held it."""
    with bind("acme"), Session(memory.engine) as session:
        call = session.get_one(Call, 3)
        session.commit()
        with memory.plain.begin() as connection:
            connection.execute(CALLS.update().where(CALLS.c.id == 3).values(company_id="globex"))
        with pytest.raises(Exception, match=r"has been deleted|not present"):
            _ = call.seconds


def test_contains_eager_is_guarded(world: World) -> None:
    """A join that the user writes feeds a collection."""
    statement = select(Number).join(Number.calls).options(contains_eager(Number.calls))
    with bind("acme"), Session(world.engine) as session:
        found = session.scalars(statement).unique()
        assert sorted(call.id for number in found for call in number.calls) == [1, 2, 3]


def test_any_and_has_are_guarded(world: World) -> None:
    """The EXISTS that any() and has() make carries the predicate."""
    with bind("acme"), Session(world.engine) as session:
        assert len(session.scalars(select(Number).where(Number.calls.any(Call.seconds > 0))).all()) == 2
        assert session.scalars(
            select(Country).where(~exists().where(Call.country_code == Country.code))
        ).all()
        assert session.scalars(select(Call).where(Call.number.has(Number.id > 100))).all() == []


def test_polymorphic_loads_are_guarded(world: World) -> None:
    """Joined and single-table inheritance, however the children are loaded."""
    both = with_polymorphic(Employee, [Manager])
    with bind("acme"), Session(world.engine) as session:
        assert len(session.scalars(select(both)).all()) == 2
    with bind("acme"), Session(world.engine) as session:
        loaded = session.scalars(select(Employee).options(selectin_polymorphic(Employee, [Manager]))).all()
        assert [found.level for found in loaded if isinstance(found, Manager)] == [1]


def test_legacy_query_is_guarded(world: World) -> None:
    """Query: all(), count(), get through a filter, join to an alias."""
    with bind("acme"), Session(world.engine) as session:
        assert session.query(Call).count() == 3
        assert session.query(Call).filter(Call.id == 101).one_or_none() is None
        other = aliased(Call)
        assert session.query(Call.id).join(other, other.number_id == Call.number_id).count() == 5


def test_yield_per_and_partitions_are_guarded(world: World) -> None:
    """Rows that come in chunks."""
    with bind("acme"), Session(world.engine) as session:
        found = session.scalars(select(Call.id).execution_options(yield_per=2)).partitions()
        assert sorted(number for part in found for number in part) == [1, 2, 3]


# -- tables that look otherwise ---------------------------------------------------------------------------


def test_a_second_mapping_without_the_tenant_column_is_guarded(world: World) -> None:
    """The table is known by schema and name; the column is named in SQL all the same."""
    again = Table("calls", MetaData(), Column("id", Integer, primary_key=True))
    assert rows(world, select(again.c.id)) == [(1,), (2,), (3,)]


def test_an_ad_hoc_table_is_guarded(world: World) -> None:
    """table("calls") names a table of the tenancy."""
    assert rows(world, select(table("calls", column("id")))) == [(1,), (2,), (3,)]


def test_a_reflected_table_is_guarded(world: World) -> None:
    """A Table read from the database is the same table."""
    with bypass(reason="reflection"):
        again = Table("calls", MetaData(), autoload_with=world.engine)
    assert len(rows(world, select(again))) == 3


def test_an_unknown_table_is_refused(world: World) -> None:
    """What the tenancy does not place is not read."""
    with (
        bind("acme"),
        world.engine.connect() as connection,
        pytest.raises(UnknownTableError, match="secrets"),
    ):
        connection.execute(select(table("secrets", column("id"))))


# -- several tenants, and row rules -----------------------------------------------------------------------


def test_a_set_of_tenants_reads_the_union(world: World) -> None:
    """bind([...]) reads what each of them reads."""
    assert [row[0] for row in rows(world, select(CALLS.c.id), ["acme", "globex"])] == [1, 101, 102, 103, 2, 3]
    assert len(rows(world, select(NOTES.c.id), ["acme", "globex"])) == 2


def test_a_set_and_one_tenant_do_not_share_what_was_compiled(world: World) -> None:
    """The two modes are different entries in the compiled cache, whichever comes first."""
    for tenant, count in (("acme", 3), (["acme", "globex"], 6), ("acme", 3), (["globex"], 3)):
        assert len(rows(world, select(CALLS.c.seconds), tenant)) == count


def _published() -> World:
    rule = {"labels": lambda t, tenant: or_(t.c.company_id == tenant, t.c.name == "globex label")}
    tenancy = Tenancy(
        Base.metadata,
        column="company_id",
        columns={"companies": "id"},
        through={"call_tags": "call_id", "tag_notes": "tag_id", "call_labels": "call_id"},
        shared={"countries"},
        shared_writable={"sessions_log"},
        visible=rule,
    )
    return memory_world(tenancy)


def test_a_row_rule_widens_what_is_read() -> None:
    """`visible` shows rows of nobody, and not those of another tenant."""
    world = _published()
    labels = TABLES["labels"]
    assert rows(world, select(labels.c.id)) == [(1,), (102,), (2,)]
    assert rows(world, select(labels.alias().c.id)) == [(1,), (102,), (2,)]


def test_a_row_rule_does_not_widen_what_is_written() -> None:
    """A published row is written by its owner only."""
    world = _published()
    labels = TABLES["labels"]
    with bind("acme"), world.engine.begin() as connection:
        assert connection.execute(labels.update().values(name="x")).rowcount == 2
        assert connection.execute(labels.delete().where(labels.c.id == 102)).rowcount == 0


def test_a_text_column_beside_a_table_is_read_first(world: World) -> None:
    """A harmless fragment does not disturb the predicate."""
    assert len(rows(world, select(text("1")).select_from(CALLS))) == 3
