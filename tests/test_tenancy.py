"""The tenancy: how every table belongs, and every fault at once where one cannot be placed."""

from __future__ import annotations

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
    create_engine,
    table,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantguard import ConfigurationError, Tenancy, guard, shared, shared_writable, through
from tenantguard.tenancy import Placement
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


# the test models


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (models.Company, "owned by id"),
        (models.Call, "owned by company_id"),
        (models.CallTag, "through call_id to calls"),
        (models.TagNote, "through tag_id to call_tags"),
        (models.call_labels, "through call_id to calls"),
        (models.Comment, "owned by company_id"),
        (models.Country, "shared"),
        (models.SessionLog, "shared, writable"),
        (models.Manager, "through id to employees"),
        (models.Invoice, "owned by company_id"),
        (models.CallStats, "owned by company_id"),
        (models.OrderLine, "owned by company_id"),
    ],
)
def test_every_way_to_belong_is_told(model: Any, told: str) -> None:
    """Owned, through, a grandchild, inheritance of both kinds, secondary tables, views and shared tables."""
    assert str(make_tenancy().of(model)) == told


def test_the_models_have_no_fault() -> None:
    """The tenancy of the test models can be enforced."""
    assert make_tenancy().faults() == []


def test_a_tenancy_is_printed_as_a_table() -> None:
    """A person reads every table, how it belongs and by which column, in the order of their names."""
    lines = str(make_tenancy()).splitlines()
    assert lines[0].split() == ["table", "belongs", "by"]
    assert set(lines[1]) <= {"-", " "}
    assert lines[2:5] == [
        "call_labels   through  call_id to calls",
        "call_stats    owned    by company_id",
        "call_tags     through  call_id to calls",
    ]
    assert "sessions_log  shared   writable" in lines
    assert len(lines) == 2 + len(models.Base.metadata.tables)


def test_a_table_that_is_not_placed_is_printed_too(metadata: MetaData) -> None:
    """Printing shows what is missing instead of leaving it out."""
    Table("lost", metadata, Column("id", Integer, primary_key=True))
    assert "lost       ?        not placed: it is neither owned" in str(tenancy_of(metadata))


def test_a_tenancy_tells_its_size() -> None:
    """The short form counts the tables of each kind."""
    assert repr(make_tenancy()) == "<Tenancy column='company_id': 11 owned, 4 through, 2 shared>"


def test_iterating_gives_every_placement() -> None:
    """Each table's placement comes once, by name."""
    names = [placement.name for placement in make_tenancy()]
    assert names == sorted(models.Base.metadata.tables)


# said by argument, said on the model


def test_a_model_may_say_it_itself() -> None:
    """The four ways can be said in ``info``."""

    class Base(DeclarativeBase):
        pass

    class Company(Base):
        __tablename__ = "companies"
        __table_args__ = {"info": {"tenant": "id"}}
        id: Mapped[str] = mapped_column(primary_key=True)

    class Tag(Base):
        __tablename__ = "tags"
        __table_args__ = {"info": {"tenant": through("company")}}
        id: Mapped[int] = mapped_column(primary_key=True)
        company: Mapped[str] = mapped_column(ForeignKey("companies.id"))

    class Country(Base):
        __tablename__ = "countries"
        __table_args__ = {"info": {"tenant": shared}}
        id: Mapped[int] = mapped_column(primary_key=True)

    class Log(Base):
        __tablename__ = "log"
        __table_args__ = {"info": {"tenant": shared_writable}}
        id: Mapped[int] = mapped_column(primary_key=True)

    told = [str(Tenancy(Base.metadata).of(model)) for model in (Company, Tag, Country, Log)]
    assert told == ["owned by id", "through company to companies", "shared", "shared, writable"]


def test_saying_the_same_twice_is_no_fault(metadata: MetaData) -> None:
    """An argument and the model may agree."""
    metadata.tables["countries"].info["tenant"] = shared
    assert tenancy_of(metadata).faults() == []


@pytest.mark.parametrize(
    "said",
    [
        {"shared": {"calls", "countries"}, "columns": {"calls": "company_id"}},
        {"shared": {"calls", "countries"}, "shared_writable": {"calls"}},
        {"columns": {"calls": "id"}, "through": {"calls": "id"}},
    ],
)
def test_saying_two_things_of_one_table_is_a_fault(metadata: MetaData, said: dict[str, Any]) -> None:
    """A table that is named in two arguments belongs in neither way."""
    assert any("calls is declared more than once" in fault for fault in tenancy_of(metadata, **said).faults())


def test_the_model_and_an_argument_may_not_differ(metadata: MetaData) -> None:
    """What the model says and what the argument says must be one thing."""
    metadata.tables["countries"].info["tenant"] = "id"
    (fault,) = tenancy_of(metadata).faults()
    assert "more than once, in different ways" in fault


@pytest.mark.parametrize("said", [True, 7, {"column": "company_id"}, ["company_id"], object()])
def test_a_model_that_says_something_else_is_a_fault(metadata: MetaData, said: object) -> None:
    """What stands in ``info`` is one of three things."""
    metadata.tables["calls"].info["tenant"] = said
    (fault,) = tenancy_of(metadata).faults()
    assert fault.startswith('calls: info["tenant"]')


def test_naming_a_table_outweighs_its_column(metadata: MetaData) -> None:
    """A table that has the tenant column and is said to be shared is shared."""
    owned_table("templates", metadata)
    tenancy = tenancy_of(metadata, shared={"countries", "templates"})
    assert tenancy.of(metadata.tables["templates"]).kind == "shared"


# faults


def test_guard_refuses_to_start_and_lists_every_fault(metadata: MetaData) -> None:
    """Each table that cannot be placed is named in one error, before the engine is touched."""
    Table("lost", metadata, Column("id", Integer, primary_key=True))
    Table("loose", metadata, Column("id", Integer, primary_key=True), Column("company_id", String(40)))
    child_table("tags", metadata)
    tenancy = tenancy_of(metadata, columns={"countries": "nothing"}, shared=(), through={"tags": "id"})
    with pytest.raises(ConfigurationError) as caught:
        guard(create_engine("sqlite://"), tenancy)
    message = str(caught.value)
    assert "4 fault(s)" in message
    for told in (
        "1 table is neither owned, through nor shared",
        'lost  the column company_id, or shared={"lost"}',
        "the tenant column loose.company_id is nullable",
        "countries has no column 'nothing' to be its tenant column",
        "tags.id is not a foreign key",
    ):
        assert told in message


def test_a_nullable_tenant_column_may_be_said(metadata: MetaData) -> None:
    """Rows of no tenant are allowed where somebody said so, and the table tells it."""
    Table("loose", metadata, Column("id", Integer, primary_key=True), Column("company_id", String(40)))
    tenancy = tenancy_of(metadata, nullable={"loose"})
    assert tenancy.faults() == []
    assert str(tenancy.of(metadata.tables["loose"])) == "owned by company_id, or by nobody"


def test_a_nullable_tenant_column_of_a_table_without_key_is_a_fault(metadata: MetaData) -> None:
    """A table without a primary key is no view, and gets no leave for it."""
    Table("log", metadata, Column("company_id", String(40)))
    (fault,) = tenancy_of(metadata).faults()
    assert "log.company_id is nullable" in fault


def test_a_view_may_have_a_nullable_tenant_column(metadata: MetaData) -> None:
    """A view's columns carry no NOT NULL; saying that it is one suffices."""
    Table("stats", metadata, Column("company_id", String(40)), info={"is_view": True})
    assert tenancy_of(metadata).faults() == []


@pytest.mark.parametrize(
    "argument",
    ["columns", "through", "shared", "shared_writable", "openly_shared", "nullable", "visible", "changeable"],
)
def test_a_name_that_is_no_table_is_a_fault(metadata: MetaData, argument: str) -> None:
    """A misspelt table name is told, in whichever argument."""
    pairs: dict[str, Any] = {
        "columns": {"cals": "id"},
        "through": {"cals": "id"},
        "visible": {"cals": lambda t, _: t},
    }
    pairs["changeable"] = {"cals": {"id"}}
    said = pairs.get(argument, {"cals"})
    faults = Tenancy(metadata, column="company_id", **{argument: said}).faults()
    assert f"{argument} names 'cals', which is not a table of the metadata; did you mean 'calls'?" in faults


@pytest.mark.parametrize("argument", ["nullable", "visible"])
def test_what_only_an_owned_table_has_is_refused_for_others(metadata: MetaData, argument: str) -> None:
    """Nullability and row rules are about a tenant column."""
    said = {"nullable": {"countries"}, "visible": {"countries": lambda t, _: t}}[argument]
    (fault,) = tenancy_of(metadata, **{argument: said}).faults()
    assert fault == f"{argument} names 'countries', which is not owned"


@pytest.mark.parametrize("argument", ["shared", "shared_writable", "nullable"])
def test_one_string_is_no_set_of_names(metadata: MetaData, argument: str) -> None:
    """A string in place of a set would be read letter by letter."""
    with pytest.raises(ConfigurationError, match="is one string"):
        Tenancy(metadata, **{argument: "countries"})  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["columns", "through", "visible"])
def test_pairs_are_a_dictionary(metadata: MetaData, argument: str) -> None:
    """A set in place of a dictionary is told in a sentence."""
    with pytest.raises(ConfigurationError, match="is a dictionary"):
        Tenancy(metadata, **{argument: {"calls"}})  # type: ignore[arg-type]


def test_a_tenancy_takes_metadata() -> None:
    """The declarative base in place of its MetaData is told at once."""
    with pytest.raises(ConfigurationError, match=r"Base\.metadata"):
        Tenancy(models.Base)  # type: ignore[arg-type]


def test_a_tenancy_of_nothing_is_a_fault() -> None:
    """Without MetaData there is nothing to guard."""
    assert Tenancy(column="company_id").faults() == ["no MetaData was given to Tenancy(...)"]


def test_asking_for_a_table_outside_says_what_to_do(metadata: MetaData) -> None:
    """A table of another MetaData is not placed, and the error says how it would be."""
    with pytest.raises(ConfigurationError, match=r"table 'other': .*declare columns="):
        tenancy_of(metadata).of(table("other"))


def test_asking_for_a_faulty_table_says_the_fault(metadata: MetaData) -> None:
    """A table that was added later and cannot be placed says why."""
    tenancy = tenancy_of(metadata)
    late = Table("late", metadata, Column("company_id", String(40)))
    with pytest.raises(ConfigurationError, match="is nullable"):
        tenancy.of(late)


# names


def test_a_renamed_column_is_found_by_either_name() -> None:
    """A column whose Python key differs is found by both, and placed by the database's name."""
    metadata = MetaData()
    calls = Table("calls", metadata, Column("company_id", String(40), key="tenant", nullable=False))
    for said in ("company_id", "tenant"):
        assert Tenancy(metadata, column=said).of(calls).column == "company_id"


def test_the_databases_name_outweighs_the_key() -> None:
    """Where one column has the name and another the key, the name counts."""
    metadata = MetaData()
    calls = Table(
        "calls",
        metadata,
        Column("other", String(40), key="company_id", nullable=False),
        Column("company_id", String(40), key="tenant", nullable=False),
    )
    assert Tenancy(metadata, column="company_id").of(calls).column == "company_id"


def test_a_schema_is_part_of_the_name() -> None:
    """Tables of one name in two schemas are two tables."""
    metadata = MetaData()
    here = owned_table("calls", metadata)
    there = Table("calls", metadata, Column("id", Integer, primary_key=True), schema="archive")
    tenancy = Tenancy(metadata, column="company_id", shared={"archive.calls"})
    assert tenancy.faults() == []
    assert (tenancy.of(here).kind, tenancy.of(there).kind) == ("owned", "shared")
    assert tenancy.of(there).name == "archive.calls"
    assert tenancy.find(table("calls", schema="elsewhere")) is None


def test_a_dot_in_a_name_is_no_schema() -> None:
    """A table whose name holds a dot is not the table of a schema."""
    metadata = MetaData()
    Table("archive.calls", metadata, Column("id", Integer, primary_key=True))
    tenancy = Tenancy(metadata, shared={"archive.calls"})
    assert tenancy.find(table("calls", schema="archive")) is None


def test_a_second_mapping_is_recognised(metadata: MetaData) -> None:
    """A table of another MetaData is known by its name, whichever columns it shows."""
    tenancy = tenancy_of(metadata)
    second = Table("calls", MetaData(), Column("id", Integer, primary_key=True))
    assert tenancy.of(second) == tenancy.of(metadata.tables["calls"])
    assert tenancy.of(table("calls")).column == "company_id"


def test_a_reflected_table_is_recognised(metadata: MetaData) -> None:
    """What the database tells of a table leads to the same placement."""
    engine: Engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection, checkfirst=False)
        reflected = Table("calls", MetaData(), autoload_with=connection)
    assert tenancy_of(metadata).of(reflected).column == "company_id"
    engine.dispose()


@pytest.mark.parametrize("first", [True, False])
def test_two_metadata_may_map_one_table(metadata: MetaData, first: bool) -> None:
    """Of two mappings the one that shows the tenant column places the table, in either order."""
    other = MetaData()
    Table("calls", other, Column("id", Integer, primary_key=True))
    both = (metadata, other) if first else (other, metadata)
    tenancy = Tenancy(*both, column="company_id", shared={"countries"})
    assert tenancy.faults() == []
    assert tenancy.of(table("calls")).kind == "owned"


def test_two_mappings_may_not_disagree(metadata: MetaData) -> None:
    """One mapping that says shared and another that is owned are a fault."""
    other = MetaData()
    Table("calls", other, Column("id", Integer, primary_key=True), info={"tenant": shared})
    tenancy = Tenancy(metadata, other, column="company_id", shared={"countries"})
    (fault,) = tenancy.faults()
    assert "calls is declared more than once, in different ways" in fault


def test_a_table_added_later_is_found(metadata: MetaData) -> None:
    """Models that are imported after the guard was installed are placed when they are met."""
    tenancy = tenancy_of(metadata)
    tenancy.verify()
    assert tenancy.find(table("numbers")) is None
    owned_table("numbers", metadata)
    assert tenancy.of(table("numbers")).column == "company_id"


# unrestricted


def test_an_unrestricted_tenancy_places_everything() -> None:
    """Any table, known or not, is shared and writable."""
    tenancy = Tenancy.unrestricted()
    assert tenancy.faults() == []
    assert tenancy.of(table("anything")) == Placement((None, "anything"), "shared", writable=True)
    assert repr(tenancy) == "Tenancy.unrestricted()"


# functions


def test_declared_functions_are_kept_by_their_names(metadata: MetaData) -> None:
    """``tenancy.functions`` holds what was declared, as a frozen set."""
    tenancy = Tenancy(metadata, functions=["slugify", "shop.price", '"Shop".price', "a.b.c"])
    assert tenancy.functions == frozenset({"slugify", "shop.price", '"Shop".price', "a.b.c"})
    assert Tenancy(metadata).functions == frozenset()


@pytest.mark.parametrize(
    "name", ["", "price()", "shop.", ".price", "a b", "1st", "price; drop", "a.b.c.d", 7, '"']
)
def test_what_is_no_name_of_a_function_is_refused(metadata: MetaData, name: Any) -> None:
    """A declaration that could never match says so where it is made."""
    with pytest.raises(ConfigurationError, match="not the name of a function"):
        Tenancy(metadata, functions={name})


def test_functions_given_as_one_string_are_refused(metadata: MetaData) -> None:
    """One string is a collection of letters."""
    with pytest.raises(ConfigurationError, match=r'functions=\{"price"\}'):
        Tenancy(metadata, functions="price")
