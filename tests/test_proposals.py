"""Placements that cannot go wrong silently: likely ones are proposed, doubtful ones are questioned."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    exists,
)

from tenantguard import ConfigurationError, Tenancy, guard
from tests.support.tables import child_table, owned_table


def key(parent: str, *, required: bool = True, **options: Any) -> Any:
    """Return a column's foreign key to the ``id`` of a table."""
    return Column(
        f"{parent.rstrip('s')}_id", Integer, ForeignKey(f"{parent}.id", **options), nullable=not required
    )


def plain(name: str, metadata: MetaData, *columns: Any) -> Table:
    """Make a table with a key, and the columns."""
    return Table(name, metadata, Column("id", Integer, primary_key=True), *columns)


@pytest.fixture
def metadata() -> MetaData:
    """Give an owned table ``calls``."""
    metadata = MetaData()
    owned_table("calls", metadata)
    return metadata


MEMBERS = owned_table("members", MetaData(), Column("user_id", Integer))


def members_rule(users: Any, tenant: Any) -> Any:
    """Show users to the companies whose members they are."""
    return exists().where(MEMBERS.c.user_id == users.c.id, MEMBERS.c.company_id == tenant)


def faults(metadata: MetaData, **said: Any) -> list[str]:
    """Return what is wrong with a tenancy whose tenant column is ``company_id``."""
    return Tenancy(metadata, column="company_id", **said).faults()


# proposals


def test_a_table_that_points_at_a_tenants_row_is_proposed_through_it(metadata: MetaData) -> None:
    """The foreign key that leads to the owner is named; one that must be given comes first."""
    plain("tags", metadata, key("calls"))
    plain("notes", metadata, key("calls", required=False), key("tags"))
    listed = "\n".join(faults(metadata))
    assert 'Likely: through={"tags": "call_id"}' in listed
    assert 'Likely: through={"notes": "tag_id"}' in listed


def test_the_table_of_the_tenants_is_proposed_by_its_key() -> None:
    """What tenant columns point at is owned by its own key, and what points at it under another name by that."""
    metadata = MetaData()
    plain("companies", metadata)
    plain("calls", metadata, Column("company_id", ForeignKey("companies.id"), nullable=False))
    plain("bills", metadata, Column("payer", ForeignKey("companies.id"), nullable=False))
    listed = "\n".join(faults(metadata))
    assert 'Likely: columns={"companies": "id"}' in listed
    assert 'Likely: columns={"bills": "payer"}' in listed


def test_a_table_of_several_tenants_is_proposed_by_a_rule(metadata: MetaData) -> None:
    """Memberships say which users a company is shown."""
    plain("users", metadata)
    owned_table("members", metadata, key("users"))
    (fault,) = faults(metadata)
    assert 'Likely: visible={"users": rule}, where members says' in fault


def test_a_table_that_is_looked_up_is_proposed_as_shared(metadata: MetaData) -> None:
    """Calls must name their country, and tie it to no company; a table that names each once a company does."""
    plain("countries", metadata)
    plain("people", metadata)
    owned_table("visits", metadata, key("countries"))
    owned_table("hires", metadata, key("people"), UniqueConstraint("company_id", "people_id"))
    countries, people = faults(metadata)
    assert 'shared={"countries"} if its rows are the same for all' in countries
    assert 'Likely: visible={"people": rule}, where hires says' in people


def test_forty_faults_are_one_table(metadata: MetaData) -> None:
    """Sorted by name, a line each, and the advice once."""
    for number in range(40):
        plain(f"t{number:02}", metadata)
    with pytest.raises(ConfigurationError) as caught:
        guard(create_engine("sqlite://"), Tenancy(metadata, column="company_id"))
    lines = str(caught.value).splitlines()
    assert lines[0] == "the tenancy cannot be enforced, 40 fault(s):"
    assert lines[1] == "  - 40 tables are neither owned, through nor shared. Likely placements:"
    assert [line.split()[0] for line in lines[2:]] == [f"t{number:02}" for number in range(40)]


@pytest.mark.parametrize(
    ("given", "meant"), [("cal", "calls"), ("crm.notez", "crm.notes"), ("notes", "crm.notes")]
)
def test_the_nearest_name_is_proposed(metadata: MetaData, given: str, meant: str) -> None:
    """A misspelt table, or one without its schema, names the one that was meant."""
    owned_table("notes", metadata, schema="crm")
    (fault,) = faults(metadata, nullable={given})
    assert fault.endswith(f"did you mean {meant!r}?")


def test_a_name_like_no_other_proposes_nothing(metadata: MetaData) -> None:
    """No name is better than a wrong one."""
    assert faults(metadata, nullable={"xyz"}) == [
        "nullable names 'xyz', which is not a table of the metadata"
    ]


def test_a_column_without_a_foreign_key_is_called_that(metadata: MetaData) -> None:
    """It is not said that a parent is missing."""
    plain("tags", metadata, Column("call_id", Integer))
    (fault,) = faults(metadata, through={"tags": "call_id"})
    assert "tags.call_id is not a foreign key" in fault


# shared tables


@pytest.mark.parametrize("argument", ["shared", "shared_writable"])
def test_a_table_with_the_tenant_column_is_not_shared_by_a_word(metadata: MetaData, argument: str) -> None:
    """The two contradict each other, until it is said out loud."""
    (fault,) = faults(metadata, **{argument: {"calls"}})
    assert "calls is declared shared, and has the tenant column company_id" in fault
    assert faults(metadata, **{argument: {"calls"}}, openly_shared={"calls"}) == []


@pytest.mark.parametrize("argument", ["shared", "shared_writable"])
@pytest.mark.parametrize("required", [False, True])
def test_a_table_that_points_at_a_tenants_row_is_not_shared_by_a_word(
    metadata: MetaData, argument: str, *, required: bool
) -> None:
    """Whoever reads it reads of rows that are another's."""
    plain("notes", metadata, key("calls", required=required))
    (fault,) = faults(metadata, **{argument: {"notes"}})
    assert "notes.call_id points at rows of calls, which belong to a tenant" in fault
    assert 'through={"notes": "call_id"}' in fault
    assert faults(metadata, **{argument: {"notes"}}, openly_shared={"notes"}) == []


def test_a_shared_table_may_be_pointed_at_and_point_at_another(metadata: MetaData) -> None:
    """Neither tells of a tenant."""
    plain("zones", metadata)
    plain("towns", metadata, key("zones"))
    owned_table("sites", metadata, key("towns"))
    assert faults(metadata, shared={"zones"}, shared_writable={"towns"}) == []


def test_openly_shared_is_about_shared_tables(metadata: MetaData) -> None:
    """It places no table by itself."""
    (fault,) = faults(metadata, openly_shared={"calls"})
    assert fault == "openly_shared names 'calls', which is not among the shared tables"


@pytest.mark.parametrize(
    "action",
    [
        {"ondelete": "CASCADE"},
        {"ondelete": "set  null"},
        {"onupdate": "CASCADE"},
        {"ondelete": "SET DEFAULT"},
    ],
)
def test_a_shared_row_takes_no_others_along(metadata: MetaData, action: dict[str, Any]) -> None:
    """A constraint that would change other tenants' rows with a shared row that tenants may delete is refused."""
    plain("zones", metadata)
    owned_table("sites", metadata, key("zones", **action))
    (fault,) = faults(metadata, shared_writable={"zones"})
    assert "the foreign key sites.zone_id says ON" in fault
    assert faults(metadata, shared={"zones"}) == []  # written in a bypass


@pytest.mark.parametrize("action", [{}, {"ondelete": "RESTRICT"}, {"ondelete": "NO ACTION"}])
def test_a_key_that_changes_nothing_may_lead_to_a_shared_row(
    metadata: MetaData, action: dict[str, Any]
) -> None:
    """The database's own error is the answer then."""
    plain("zones", metadata)
    owned_table("sites", metadata, key("zones", **action))
    assert faults(metadata, shared_writable={"zones"}) == []


# tables that a rule alone places


def test_a_table_without_tenant_column_is_placed_by_its_rule(metadata: MetaData) -> None:
    """Its placement tells the rule, and the type of the tenant that the rule is given."""
    users = plain("users", metadata, Column("name", String(40)))
    owned_table("members", metadata, key("users"))
    tenancy = Tenancy(metadata, column="company_id", visible={"users": members_rule})
    placed = tenancy.of(users)
    assert (placed.kind, placed.visible, placed.python_type) == ("shown", members_rule, str)
    assert str(placed) == "shown by a row rule"
    assert tenancy.faults() == []
    assert repr(tenancy).endswith("2 owned, 0 through, 0 shared, 1 shown>")


def test_a_tenancy_says_which_columns_may_be_changed(metadata: MetaData) -> None:
    """By the columns' names or their keys."""
    users = plain("users", metadata, Column("name", String(40), key="display"))
    said = {"visible": {"users": members_rule}, "changeable": {"users": ["display"]}}
    placed = Tenancy(metadata, column="company_id", **said).of(users)  # type: ignore[arg-type]
    assert placed.changeable == frozenset({"name"})
    assert str(placed) == "shown by a row rule, which may change name"


@pytest.mark.parametrize(
    ("changeable", "told"),
    [
        ({"users": {"nothing"}}, "users.nothing, which is not one of its columns"),
        ({"users": {"id"}}, "users.id, which is part of its primary key"),
        ({"calls": {"id"}}, "changeable names 'calls', which is not placed by a row rule alone"),
    ],
)
def test_what_cannot_be_changed_is_a_fault(metadata: MetaData, changeable: Any, told: str) -> None:
    """Columns that are not there, a key, and tables that have no need of it."""
    plain("users", metadata)
    listed = faults(metadata, visible={"users": members_rule}, changeable=changeable)
    assert any(told in fault for fault in listed)


def test_one_string_is_no_set_of_columns(metadata: MetaData) -> None:
    """It would be read letter by letter."""
    with pytest.raises(ConfigurationError, match=r'changeable\["users"\]=\{"name"\}'):
        Tenancy(metadata, changeable={"users": "name"})


def test_a_rule_needs_a_tenancy_with_a_tenant_column() -> None:
    """The type of the tenant is that of the tenant columns."""
    metadata = MetaData()
    plain("users", metadata)
    (fault,) = faults(metadata, visible={"users": members_rule})
    assert "no table has a tenant column" in fault


def test_nothing_belongs_through_a_table_of_several_tenants(metadata: MetaData) -> None:
    """Its rows are several tenants', so such a table needs a rule of its own."""
    plain("users", metadata)
    child_table("profiles", metadata, "users")
    (fault,) = faults(metadata, visible={"users": members_rule}, through={"profiles": "parent_id"})
    assert 'give profiles a rule of its own, visible={"profiles": ...}' in fault


def test_a_changeable_column_takes_no_others_along(metadata: MetaData) -> None:
    """A key that others' rows follow is not changed by a tenant."""
    plain("users", metadata, Column("email", String(40), unique=True))
    owned_table("seats", metadata, Column("email", ForeignKey("users.email", onupdate="CASCADE")))
    said = {"visible": {"users": members_rule}, "changeable": {"users": {"email"}}}
    (fault,) = faults(metadata, **said)
    assert "the foreign key seats.email says ON UPDATE CASCADE" in fault


# foreign keys


def test_a_foreign_key_is_followed_into_another_metadata(metadata: MetaData) -> None:
    """SQLAlchemy cannot resolve it; the tenancy that has both can."""
    other = MetaData()
    tags = plain("tags", other, key("calls"))
    tenancy = Tenancy(metadata, other, column="company_id", through={"tags": "call_id"})
    assert tenancy.faults() == []
    assert tenancy.of(tags).parent is metadata.tables["calls"]


def test_a_foreign_key_is_followed_into_the_default_schema() -> None:
    """As SQLAlchemy does, a MetaData's own schema is taken first."""
    metadata, other = MetaData(schema="crm"), MetaData(schema="crm")
    owned_table("calls", metadata)
    tags = plain("tags", other, key("calls"))
    tenancy = Tenancy(metadata, other, column="company_id", through={"crm.tags": "call_id"})
    assert tenancy.of(tags).parent is metadata.tables["crm.calls"]


@pytest.mark.parametrize("target", ["nowhere.id", "calls.nothing", "crm.calls.id"])
def test_a_foreign_key_that_cannot_be_followed_is_a_fault(metadata: MetaData, target: str) -> None:
    """The rows that it leads to could be anybody's."""
    owned_table("notes", metadata, Column("call_id", Integer, ForeignKey(target)))
    (fault,) = faults(metadata)
    assert "the foreign key notes.call_id leads to" in fault


def test_what_a_bypass_alone_writes_may_lead_anywhere(metadata: MetaData) -> None:
    """A read-only shared table is no fault."""
    plain("zones", metadata, Column("far_id", Integer, ForeignKey("nowhere.id")))
    assert faults(metadata, shared={"zones"}) == []
