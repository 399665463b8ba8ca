"""``init``: every table gets a placement that a guard takes, and nothing is called shared that could be somebody's."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    create_engine,
    insert,
    select,
)

from tenantguard import ConfigurationError, Tenancy, bind, guard
from tenantguard.adoption.companies import Schema, find_companies
from tenantguard.adoption.database import look
from tenantguard.adoption.plan import Plan, propose
from tenantguard.adoption.printer import source_of


def table(metadata: MetaData, name: str, *columns: Any, **keys: str) -> Table:
    """Make a table with an id; ``calls_id="calls"`` is a key that must be given, ``"calls?"`` one that may be."""
    led = [
        Column(
            column,
            Integer,
            ForeignKey(f"{parent.rstrip('?')}.id"),
            nullable=parent.endswith("?"),
        )
        for column, parent in keys.items()
    ]
    return Table(name, metadata, Column("id", Integer, primary_key=True), *led, *columns)


def planned(metadata: MetaData, **said: Any) -> Plan:
    """Return what is proposed for some tables."""
    schema = Schema([metadata])
    return propose(schema, find_companies(schema, **said))


def places(metadata: MetaData, **said: Any) -> dict[str, tuple[str, str | None]]:
    """Return how each table is placed, and by which column."""
    return {one.name: (one.how, one.column) for one in planned(metadata, **said).tables.values()}


def call_centre() -> MetaData:
    """Return a service with memberships, chains, look-ups, jobs, and keys to the company by other names."""
    metadata = MetaData()
    table(metadata, "companies", Column("name", String(40)))
    table(metadata, "users", Column("email", String(40)), current_company_id="companies?")
    table(
        metadata,
        "memberships",
        UniqueConstraint("company_id", "user_id"),
        company_id="companies",
        user_id="users",
    )
    table(metadata, "countries", Column("name", String(40)))
    table(metadata, "calls", company_id="companies", country_id="countries", user_id="users?")
    table(metadata, "call_tags", call_id="calls", created_by_id="users")
    table(metadata, "tag_notes", tag_id="call_tags")
    table(metadata, "bills", payer_id="companies")
    table(metadata, "bill_lines", bill_id="bills")
    table(metadata, "templates", company_id="companies?")
    table(metadata, "refunds", company_id="companies?", bill_id="bills")
    table(metadata, "preferences", user_id="users")
    table(metadata, "jobs", Column("payload", String(40)))
    table(metadata, "labels", Column("name", String(40), unique=True))
    table(metadata, "call_labels", call_id="calls", label_id="labels")
    return metadata


def accounts() -> MetaData:
    """Return a service whose tenants are accounts, with UUIDs, a schema, and a team below each account."""
    metadata = MetaData(schema="crm")
    Table("account", metadata, Column("id", Uuid, primary_key=True))
    for name, parent in (("team", "account"), ("member", "account"), ("deal", "team"), ("deal_note", "deal")):
        Table(
            name,
            metadata,
            Column("id", Uuid, primary_key=True),
            Column(f"{parent}_id", Uuid, ForeignKey(f"crm.{parent}.id"), nullable=False),
        )
    Table("currency", metadata, Column("id", Uuid, primary_key=True), Column("code", String(3)))
    return metadata


def without_keys() -> MetaData:
    """Return a service that has the tenant column and no foreign key."""
    metadata = MetaData()
    for name in ("apps", "messages", "documents"):
        Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(36), nullable=False),
        )
    Table("settings", metadata, Column("id", Integer, primary_key=True), Column("api_token", String(40)))
    return metadata


def test_every_way_to_belong_is_found() -> None:
    """By the usual column, by another, through chains, by memberships, or for somebody to say."""
    assert places(call_centre()) == {
        "companies": ("columns", "id"),
        "users": ("visible", None),
        "memberships": ("column", "company_id"),
        "countries": ("shared", None),
        "calls": ("column", "company_id"),
        "call_tags": ("through", "call_id"),
        "tag_notes": ("through", "tag_id"),
        "bills": ("columns", "payer_id"),
        "bill_lines": ("through", "bill_id"),
        "templates": ("column", "company_id"),
        "refunds": ("through", "bill_id"),
        "preferences": ("visible", None),
        "jobs": ("doubtful", None),
        "labels": ("doubtful", None),
        "call_labels": ("through", "call_id"),
    }
    assert places(accounts()) == {
        "crm.account": ("columns", "id"),
        "crm.team": ("column", "account_id"),
        "crm.member": ("column", "account_id"),
        "crm.deal": ("through", "team_id"),
        "crm.deal_note": ("through", "deal_id"),
        "crm.currency": ("shared", None),
    }
    assert places(without_keys()) == {
        "apps": ("column", "tenant_id"),
        "messages": ("column", "tenant_id"),
        "documents": ("column", "tenant_id"),
        "settings": ("doubtful", None),
    }


@pytest.mark.parametrize("make", [call_centre, accounts, without_keys])
def test_what_is_printed_runs(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Python, makes the same Tenancy as was proposed, and a guard takes it; each line has its reason."""
    metadata = make()
    module: Any = ModuleType("printed_models")
    module.metadata = metadata
    monkeypatch.setitem(sys.modules, "printed_models", module)
    plan = planned(metadata)
    text = source_of(plan, "from printed_models import metadata", "metadata", "printed_models:metadata")
    made: dict[str, Any] = {}
    exec(compile(text, "printed", "exec"), made)
    tenancy = made["tenancy"]
    assert isinstance(tenancy, Tenancy)
    assert str(tenancy) == str(plan.tenancy())
    guard(create_engine("sqlite://"), tenancy)
    for one in plan.tables.values():
        assert f"{one.name}" in text
        assert one.why in text


def rows(engine: Engine, metadata: MetaData, name: str) -> list[int]:
    """Return the ids of a table's rows that company 1 is shown."""
    found = metadata.tables[name]
    with bind(1), engine.connect() as connection:
        return list(connection.scalars(select(found.c.id).order_by(found.c.id)))


def test_the_rules_show_the_members_and_nothing_that_is_in_doubt() -> None:
    """A company sees the users that it has, what hangs on them, and no row of a doubtful table."""
    metadata = call_centre()
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name, values in {
            "companies": [{"id": 1}, {"id": 2}],
            "users": [{"id": 1}, {"id": 2}, {"id": 3}],
            "memberships": [
                {"id": 1, "company_id": 1, "user_id": 1},
                {"id": 2, "company_id": 2, "user_id": 2},
                {"id": 3, "company_id": 2, "user_id": 1},
            ],
            "preferences": [{"id": 1, "user_id": 1}, {"id": 2, "user_id": 2}],
            "jobs": [{"id": 1}],
        }.items():
            connection.execute(insert(metadata.tables[name]), values)
    guard(engine, planned(metadata).tenancy())
    assert [rows(engine, metadata, name) for name in ("users", "preferences", "jobs", "companies")] == [
        [1],
        [1],
        [],
        [1],
    ]


@pytest.mark.parametrize(
    "name", ["tags", "roles", "plans", "categories", "products", "permissions", "settings", "user_countries"]
)
def test_what_could_be_a_companys_is_never_called_shared(name: str) -> None:
    """Rows that a company may have made are not shared for a name, however plain, nor for being looked up."""
    metadata = MetaData()
    table(metadata, "companies")
    table(metadata, name, Column("code", String(9), unique=True))
    table(metadata, "calls", company_id="companies", of_id=name)
    assert places(metadata)[name] == ("doubtful", None)


def test_a_look_up_table_with_anything_personal_is_not_called_shared() -> None:
    """A table of languages that has an author is somebody's."""
    metadata = MetaData()
    table(metadata, "companies")
    table(metadata, "calls", company_id="companies")
    table(metadata, "languages", Column("author_email", String(40)))
    assert places(metadata)["languages"] == ("doubtful", None)


def test_what_may_hang_on_one_of_several_is_in_doubt() -> None:
    """No one key tells whose an attachment is, and the reason says what to do."""
    metadata = call_centre()
    table(metadata, "attachments", call_id="calls?", bill_id="bills?")
    one = planned(metadata).tables[None, "attachments"]
    assert one.how == "doubtful"
    assert "one of several (call_id, bill_id)" in one.why or "one of several (bill_id, call_id)" in one.why


def test_what_no_placement_mends_is_told() -> None:
    """Tenant columns of two types have to be mended in the models, which stands above what is printed."""
    metadata = MetaData()
    table(metadata, "companies")
    table(metadata, "calls", company_id="companies")
    table(metadata, "dates", Column("company_id", String(9), nullable=False))
    plan = planned(metadata)
    assert [fault.partition(" (")[0] for fault in plan.faults] == ["tenant columns differ in type"]
    assert "# fix this in the models first: tenant columns differ" in source_of(plan, "", "metadata", "x")


def test_who_is_shown_a_row_is_told_by_members_and_never_by_what_keeps_it_from_them() -> None:
    """A table of members comes before others that tie once; one that lists exclusions, or may name none, is no tie."""
    metadata = call_centre()
    for name in ("accessed_users", "user_seats"):
        once = UniqueConstraint("company_id", "user_id")
        table(metadata, name, once, company_id="companies", user_id="users")
    for name, company in (("form_hidden_companies", "companies"), ("form_uses", "companies?")):
        once = UniqueConstraint("company_id", "form_id")
        table(metadata, name, once, company_id=company, form_id="forms")
    table(metadata, "forms")
    table(metadata, "requests", decided_by="users?")
    plan = planned(metadata)
    members = plan.tables[None, "users"].members
    assert members is not None
    assert members.table.name == "memberships"
    assert plan.tables[None, "forms"].how == plan.tables[None, "requests"].how == "doubtful"


def test_a_tenant_column_counts_though_it_may_be_null() -> None:
    """A parent that may have no company tells no more than it, and a table of two others is no membership of either."""
    metadata = call_centre()
    table(metadata, "states", company_id="companies?")
    table(metadata, "jobs2", company_id="companies?", state_id="states", call_id="calls")
    table(metadata, "steps", company_id="companies?", state_id="states")
    table(metadata, "boards", company_id="companies?")
    table(metadata, "board_members", company_id="companies", board_id="boards", user_id="users")
    found = places(metadata)
    assert found["jobs2"] == ("through", "call_id")
    assert found["steps"] == found["boards"] == found["states"] == ("column", "company_id")


def test_companies_are_said_where_names_do_not_tell() -> None:
    """Nothing is guessed where no name fits, and what is said has to be there."""
    metadata = MetaData()
    table(metadata, "mandanten")
    table(metadata, "calls", mandant_id="mandanten")
    with pytest.raises(ConfigurationError, match="pass --companies TABLE or --column NAME"):
        places(metadata)
    with pytest.raises(ConfigurationError, match="there is no table 'x'"):
        places(metadata, table="x")
    with pytest.raises(ConfigurationError, match="no table has a column 'x'"):
        places(metadata, column="x")
    wanted = {"mandanten": ("columns", "id"), "calls": ("column", "mandant_id")}
    assert places(metadata, table="mandanten") == places(metadata, column="mandant_id") == wanted


def test_what_companies_may_point_at_is_not_the_companies() -> None:
    """Accounts that organizations are paid to have a plain name too, and fewer tables point at them."""
    metadata = MetaData()
    table(metadata, "accounts")
    table(metadata, "account_credits", account_id="accounts")
    table(metadata, "organizations", account_id="accounts")
    table(metadata, "orders", organization_id="organizations")
    table(metadata, "products", organization_id="organizations")
    assert planned(metadata).companies.column == "organization_id"


def test_a_live_database_tells_of_tables_and_of_rows_without_a_company() -> None:
    """What no model knows is named, and a column that no row leaves empty can be made NOT NULL."""
    metadata = call_centre()
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    plan = planned(metadata)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE legacy (id INTEGER)")
        connection.exec_driver_sql("DROP TABLE jobs")
        notes = list(look(plan, connection, lambda _: None))
    assert [note.rpartition(": ")[2] for note in notes] == ["legacy", "jobs"]
    assert plan.tables[None, "templates"].note == "no row lacks a company: make company_id NOT NULL"
