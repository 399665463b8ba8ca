"""One table's place: the type of its tenant column, the key to its parent, and its base."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    table,
)
from sqlalchemy.types import NullType, TypeEngine

from tenantguard import Tenancy
from tests import models
from tests.models import make_tenancy
from tests.support.tables import child_table, owned_table, tenancy_of


@pytest.fixture
def metadata() -> MetaData:
    """Give an owned table ``calls`` and a shared one ``countries``."""
    metadata = MetaData()
    owned_table("calls", metadata)
    Table("countries", metadata, Column("id", Integer, primary_key=True))
    return metadata


# types of the tenant column


class Converted(TypeDecorator[Any]):
    """Convert on the way in, so that the type beneath tells nothing."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Convert."""
        return value


class Renamed(TypeDecorator[Any]):
    """Decorate a type without converting."""

    impl = String
    cache_ok = True


class Spoken(Converted):
    """Convert, and say what the values are."""

    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        """Return the type of the values."""
        return uuid.UUID


@pytest.mark.parametrize(
    ("kind", "python_type"),
    [
        (String(), str),
        (Integer(), int),
        (BigInteger(), int),
        (Uuid(), uuid.UUID),
        (Uuid(as_uuid=False), str),
        (Renamed(), str),
        (Converted(), None),
        (Spoken(), uuid.UUID),
        (NullType(), None),
    ],
)
def test_the_type_of_the_tenant_is_known(kind: TypeEngine[Any], python_type: type | None) -> None:
    """The tenant's Python type is that of the column, where the column's type tells."""
    metadata = MetaData()
    calls = Table("calls", metadata, Column("company_id", kind, nullable=False))
    assert Tenancy(metadata, column="company_id").of(calls).python_type is python_type


class Plan(enum.Enum):
    """Be no tenant."""

    FREE = 1


@pytest.mark.parametrize("kind", [Boolean(), LargeBinary(), Enum(Plan)])
def test_a_tenant_column_of_another_type_is_a_fault(kind: TypeEngine[Any]) -> None:
    """A tenant id is a text, a number or a UUID."""
    metadata = MetaData()
    Table("calls", metadata, Column("company_id", kind, nullable=False))
    (fault,) = Tenancy(metadata, column="company_id").faults()
    assert "a tenant id is a str, int or UUID" in fault


def test_tenant_columns_of_two_types_are_a_fault(metadata: MetaData) -> None:
    """A tenant id has one type through all tables."""
    Table("numbers", metadata, Column("company_id", Integer, nullable=False))
    (fault,) = tenancy_of(metadata).faults()
    assert "calls.company_id is str, numbers.company_id is int" in fault


def test_the_models_have_a_variant_of_another_type() -> None:
    """The same tables with a number for a tenant are placed alike."""
    tenancy = make_tenancy(models.with_tenant_type(Integer()))
    assert tenancy.faults() == []
    assert {placement.python_type for placement in tenancy if placement.kind == "owned"} == {int}


# through


def test_a_chain_of_parents_ends_at_an_owned_table(metadata: MetaData) -> None:
    """A grandchild belongs through its parent, which belongs through its own."""
    child_table("tags", metadata)
    child_table("notes", metadata, "tags")
    tenancy = tenancy_of(metadata, through={"tags": "parent_id", "notes": "parent_id"})
    assert tenancy.faults() == []
    assert tenancy.of(table("notes")).parent is metadata.tables["tags"]


def test_a_chain_may_not_end_at_a_shared_table(metadata: MetaData) -> None:
    """A row that belongs to a shared row belongs to nobody."""
    child_table("towns", metadata, "countries")
    (fault,) = tenancy_of(metadata, through={"towns": "parent_id"}).faults()
    assert "leads to countries, a shared table" in fault


def test_a_chain_may_not_lead_back_to_itself(metadata: MetaData) -> None:
    """A table that belongs only through itself belongs to nobody."""
    child_table("nodes", metadata, "nodes")
    (fault,) = tenancy_of(metadata, through={"nodes": "parent_id"}).faults()
    assert "leads back to itself" in fault


def test_two_tables_may_not_belong_through_each_other(metadata: MetaData) -> None:
    """A circle of parents never reaches an owned table, and each of its members is told."""
    child_table("hens", metadata, "eggs")
    child_table("eggs", metadata, "hens")
    child_table("chicks", metadata, "eggs")
    said = dict.fromkeys(("hens", "eggs", "chicks"), "parent_id")
    faults = tenancy_of(metadata, through=said).faults()
    assert len(faults) == 3
    assert all("leads back to itself" in fault for fault in faults)


def test_a_parent_that_is_not_placed_is_told(metadata: MetaData) -> None:
    """The child of a table outside is a fault of its own."""
    Table("lost", metadata, Column("id", Integer, primary_key=True))
    child_table("tags", metadata, "lost")
    faults = tenancy_of(metadata, through={"tags": "parent_id"}).faults()
    assert any(
        "tags belongs through parent_id to lost, which itself is not placed" in fault for fault in faults
    )


def test_a_parent_of_another_metadata_must_be_given(metadata: MetaData) -> None:
    """A foreign key into a MetaData that the tenancy was not given cannot be followed."""
    other = MetaData()
    key: Column[int] = Column("call_id", ForeignKey(metadata.tables["calls"].c.id))
    Table("tags", other, Column("id", Integer, primary_key=True), key)
    said = {"column": "company_id", "through": {"tags": "call_id"}}
    (fault,) = Tenancy(other, **said).faults()  # type: ignore[arg-type]
    assert "which itself is not placed" in fault
    assert Tenancy(other, metadata, shared={"countries"}, **said).faults() == []  # type: ignore[arg-type]


def test_a_foreign_key_to_nowhere_is_a_fault(metadata: MetaData) -> None:
    """A foreign key whose parent table is not in the metadata is not usable."""
    child_table("tags", metadata, "nowhere")
    (fault,) = tenancy_of(metadata, through={"tags": "parent_id"}).faults()
    assert "tags.parent_id is not a usable foreign key" in fault


def test_a_foreign_key_to_a_missing_column_is_a_fault(metadata: MetaData) -> None:
    """A foreign key whose parent has no such column is not usable."""
    key: Column[int] = Column("parent_id", ForeignKey("calls.nothing"))
    Table("tags", metadata, Column("id", Integer, primary_key=True), key)
    (fault,) = tenancy_of(metadata, through={"tags": "parent_id"}).faults()
    assert "tags.parent_id is not a usable foreign key" in fault


def test_a_composite_foreign_key_is_followed_whole() -> None:
    """The link names every pair of columns."""
    metadata = MetaData()
    tenant = Column("company_id", String(40), primary_key=True)
    Table("orders", metadata, tenant, Column("id", Integer, primary_key=True))
    lines = Table(
        "lines",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("firm", String(40)),
        Column("order_id", Integer),
        ForeignKeyConstraint(["firm", "order_id"], ["orders.company_id", "orders.id"]),
    )
    placed = Tenancy(metadata, column="company_id", through={"lines": "order_id"}).of(lines)
    assert placed.link == (("firm", "company_id"), ("order_id", "id"))
    assert str(placed) == "through firm, order_id to orders"


def test_a_parent_key_that_is_not_unique_is_a_fault() -> None:
    """A key that names rows of several tenants at once decides nothing."""
    metadata = MetaData()
    tenant = Column("company_id", String(40), primary_key=True)
    Table("orders", metadata, tenant, Column("id", Integer, primary_key=True))
    key: Column[int] = Column("order_id", ForeignKey("orders.id"))
    Table("lines", metadata, Column("id", Integer, primary_key=True), key)
    (fault,) = Tenancy(metadata, column="company_id", through={"lines": "order_id"}).faults()
    assert "orders(id), which is not declared unique" in fault


@pytest.mark.parametrize("how", ["column", "index"])
def test_a_parent_key_may_be_unique_without_being_primary(how: str) -> None:
    """A unique column or index identifies one row as well."""
    metadata = MetaData()
    code = Column("code", Integer, unique=how == "column")
    calls = owned_table("calls", metadata, code)
    if how == "index":
        Index("by_code", calls.c.code, unique=True)
    key: Column[int] = Column("call_code", ForeignKey("calls.code"))
    Table("tags", metadata, Column("id", Integer, primary_key=True), key)
    assert Tenancy(metadata, column="company_id", through={"tags": "call_code"}).faults() == []


def test_a_partial_index_identifies_nothing() -> None:
    """An index that is unique among some rows only does not make the key unique."""
    metadata = MetaData()
    calls = owned_table("calls", metadata, Column("code", Integer))
    Index("by_code", calls.c.code, unique=True, postgresql_where=calls.c.code > 0)
    key: Column[int] = Column("call_code", ForeignKey("calls.code"))
    Table("tags", metadata, Column("id", Integer, primary_key=True), key)
    (fault,) = Tenancy(metadata, column="company_id", through={"tags": "call_code"}).faults()
    assert "not declared unique" in fault


def test_a_column_that_leads_to_two_tables_is_a_fault(metadata: MetaData) -> None:
    """One column with foreign keys to two parents does not say whose row it is."""
    owned_table("numbers", metadata)
    keys = ForeignKeyConstraint(["it"], ["calls.id"]), ForeignKeyConstraint(["it"], ["numbers.id"])
    Table("tags", metadata, Column("id", Integer, primary_key=True), Column("it", Integer), *keys)
    (fault,) = tenancy_of(metadata, through={"tags": "it"}).faults()
    assert "tags.it leads to several tables (calls, numbers)" in fault


# inheritance


def test_the_child_of_joined_inheritance_belongs_through_its_base(metadata: MetaData) -> None:
    """A table whose whole key is a foreign key to one other table need not be named, over two steps too."""
    Table("long_calls", metadata, Column("id", ForeignKey("calls.id"), primary_key=True))
    Table("very_long_calls", metadata, Column("id", ForeignKey("long_calls.id"), primary_key=True))
    tenancy = tenancy_of(metadata)
    assert tenancy.faults() == []
    assert str(tenancy.of(table("very_long_calls"))) == "through id to long_calls"


def test_a_composite_key_to_the_base_is_followed_whole() -> None:
    """The key that leads to the base counts, not another foreign key on one of its columns."""
    metadata = MetaData()
    owned_table("firms", metadata)
    Table(
        "orders",
        metadata,
        Column("company_id", String(40), primary_key=True),
        Column("id", Integer, primary_key=True),
    )
    Table(
        "rush_orders",
        metadata,
        Column("firm", String(40), primary_key=True),
        Column("id", Integer, ForeignKey("firms.id"), primary_key=True),
        ForeignKeyConstraint(["firm", "id"], ["orders.company_id", "orders.id"]),
    )
    assert (
        str(Tenancy(metadata, column="company_id").of(table("rush_orders"))) == "through firm, id to orders"
    )


def test_a_key_to_two_bases_is_not_guessed(metadata: MetaData) -> None:
    """Where the key leads to two tables the developer says which one counts."""
    owned_table("numbers", metadata)
    keys = ForeignKeyConstraint(["id"], ["calls.id"]), ForeignKeyConstraint(["id"], ["numbers.id"])
    Table("both", metadata, Column("id", Integer, primary_key=True), *keys)
    (fault,) = tenancy_of(metadata).faults()
    assert "table both is neither owned, through nor shared" in fault


def test_a_secondary_table_is_not_guessed(metadata: MetaData) -> None:
    """An association of two owned tables says through which of them it belongs."""
    owned_table("labels", metadata)
    Table(
        "call_labels",
        metadata,
        Column("call_id", ForeignKey("calls.id"), primary_key=True),
        Column("label_id", ForeignKey("labels.id"), primary_key=True),
    )
    assert any("table call_labels is neither owned" in fault for fault in tenancy_of(metadata).faults())
    assert tenancy_of(metadata, through={"call_labels": "label_id"}).faults() == []
