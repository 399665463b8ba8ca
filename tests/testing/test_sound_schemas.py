"""A sound schema is attacked in full, and nothing is held against the guard that the schema or the kit does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

import pytest
import sqlalchemy as sa

from tenantguard import ConfigurationError, Tenancy, guard
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.vectors import Lab, Outcome, Vector, run_one
from tests.servers import Backend, Servers
from tests.testing.attacks import Shares
from tests.testing.shapes import proven
from tests.testing.sound_schemas import GUID, SCHEMAS, packed, service
from tests.testing.test_oracle import url_of

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not


def attacked(tenancy: Tenancy, url: str, vectors: list[Vector]) -> Report:
    """Attack a schema under its guard."""
    with laboratory(tenancy, url, protect=lambda engine: guard(engine, tenancy)) as lab:
        return attack(lab, vectors)


def complaints(report: Report) -> dict[str, str]:
    """Return what is held against the guard or against the kit."""
    bad = (*report.leaks, *report.errors, *report.faults)
    return {result.vector.name: f"{result.outcome}: {result.detail}" for result in bad}


@pytest.fixture(scope="module")
def schemas(whole: bool) -> Shares:
    """Give the vectors, shared among the schemas."""

    def run(name: str, vectors: list[Vector]) -> Report:
        return attacked(SCHEMAS[name]("sqlite"), "sqlite://", vectors)

    groups = () if whole else ("writes", "legitimate")  # what types and keys change most
    return Shares(list(SCHEMAS), chosen(groups), run, whole=whole)


@pytest.fixture(scope="module")
def on_servers(servers: Servers, whole: bool) -> Shares:
    """Give the vectors that types may change, shared among the servers."""

    def run(backend: str, vectors: list[Vector]) -> Report:
        return attacked(service(backend), url_of(servers, cast("Backend", backend)), vectors)

    groups = ("reads", "writes", "dialect", "legitimate") if whole else ("legitimate",)
    return Shares(["postgresql", "mariadb"], chosen(groups), run, whole=whole)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_sound_schema_is_attacked_without_complaint(schemas: Shares, name: str) -> None:
    """Every vector runs on it or is left out, rows were made for each table, and most vectors ran."""
    report = schemas.of(name)
    assert complaints(report) == {}
    assert report.empty == {}
    assert report.ran > len(report.results) * 0.55


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_sound_schema_is_attacked_without_complaint_on_a_server(on_servers: Shares, backend: str) -> None:
    """UUIDs, enums and arrays as the database has them."""
    report = on_servers.of(backend)
    assert complaints(report) == {}
    assert report.empty == {}


@pytest.mark.rest  # it takes every schema and server
def test_every_vector_is_without_complaint_on_a_sound_schema(schemas: Shares, on_servers: Shares) -> None:
    """Also what fits one schema or server alone."""
    assert complaints(schemas.every()) == {}
    assert complaints(on_servers.every()) == {}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_oracle_agrees_on_a_sound_schema(name: str) -> None:
    """It makes valid rows of each type, and its programs agree."""
    tenancy = SCHEMAS[name]("sqlite")
    with Oracle(tenancy.metadata, tenancy) as oracle:
        tally = proven(oracle, 40, seed=1)
    assert tally.disagreements == 0, tally.reports
    assert tally.refusals == 0, tally.reports
    rows = oracle.data.rows[oracle.data.tenants[0]]
    assert [name for name, made in rows.items() if not made] == []


@pytest.mark.parametrize("schema", [service, packed])
def test_what_breaks_only_under_the_guard_is_an_error(schema: Callable[[str], Tenancy]) -> None:
    """A guard that does not stamp is not taken for a schema that forbids, also where ids are bytes."""
    tenancy = schema("sqlite")

    def broken(engine: Any) -> Any:
        """Leave the guard off, which stamps nothing."""
        return engine

    with laboratory(tenancy, "sqlite://", protect=broken) as lab:
        report = attack(lab, chosen(names=["insert_stamped", "flush_stamped"]))
    assert [str(result.outcome) for result in report.results] == ["error", "error"]
    assert "NOT NULL constraint failed" in report.errors[0].detail


def test_sentinels_are_no_columns_to_the_kit() -> None:
    """SQLAlchemy leaves an insert sentinel out of statements, so no row holds a value of it."""
    tenancy = packed("sqlite")
    names = ["own_rows", "own_alias_and_subquery", "cte_named_as_parent", "text_select"]
    assert complaints(attacked(tenancy, "sqlite://", chosen(names=names))) == {}


def _own_fault(lab: Lab) -> Any:
    return lab.owned.a[0]["no such column"]


def test_a_fault_of_the_kit_is_counted_apart() -> None:
    """What breaks without a guard too says nothing of the guard, and fails nothing."""
    tenancy = service("sqlite")
    vector = Vector("own_fault", "reads", "Break.", _own_fault)
    with laboratory(tenancy, "sqlite://") as lab:
        alone = Report("sqlite", [run_one(lab, vector)])
        report = Report("sqlite", [*alone.results, run_one(lab, chosen(names=["own_aggregates"])[0])])
    assert (report.faults[0].outcome, report.passed, report.ran) == (Outcome.FAULT, True, 1)
    assert (alone.passed, alone.verdict.partition(":")[0]) == (False, "Nothing was attacked")
    assert "it breaks without a guard too: KeyError" in report.faults[0].detail


def _number_of_everybody(lab: Lab) -> Any:
    number = next(shape for shape in lab.shapes.values() if shape.table.name == "projects")
    lab.write(sa.update(number.table).values(number=1))


def test_what_the_schema_forbids_to_everybody_is_not_applicable() -> None:
    """A key that stops the attack without a guard too does not count as held by it."""
    vector = Vector("one_number", "writes", "Give all rows one number.", _number_of_everybody)
    with laboratory(service("sqlite"), "sqlite://") as lab:
        result = run_one(lab, vector)
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "refuses it without a guard too: IntegrityError" in result.detail


def test_a_vector_is_tried_on_the_next_table_where_it_does_not_fit_the_best() -> None:
    """The best table has no integer, another one has; the result says which it was."""
    metadata = sa.MetaData()
    own: dict[str, sa.Column[Any]] = {
        "letters": sa.Column("words", sa.String(20), nullable=False),
        "parcels": sa.Column("weight", sa.Integer, nullable=False),
    }
    for name, column in own.items():
        key, firm = (
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("firm", sa.String(20), nullable=False),
        )
        sa.Table(name, metadata, key, firm, column)
    tenancy = Tenancy(metadata, column="firm")
    with laboratory(tenancy, "sqlite://") as lab:
        report = attack(lab, chosen(names=["sum_of_numbers", "own_aggregates"]))
    assert {result.tables for result in report.results} == {("parcels",)}
    assert report.ran == len(report.results)


def test_every_table_is_attacked_where_that_is_asked_for() -> None:
    """Each vector runs on each table that it fits, and the report names them."""
    tenancy = service("sqlite")
    with laboratory(tenancy, "sqlite://") as lab:
        report = attack(lab, chosen(names=["count_rows"]), every_table=True)
    assert [name for name, by in report.attacked().items() if not by] == ["companies"]


def test_tenant_ids_and_samples_are_given() -> None:
    """The ids of the user's own choice are used, and samples are counted through."""
    tenancy = service("sqlite", GUID)
    first, second = uuid.uuid4(), uuid.uuid4()
    given = {"labels.word": ["red", "green", "blue"]}
    with laboratory(tenancy, "sqlite://", tenants=(first, second), values=given) as lab:
        labels = next(shape for shape in lab.shapes.values() if shape.table.name == "labels")
        assert {row["company_id"] for row in labels.a} == {first}
        assert {row["word"] for row in labels.a} == {"red", "green", "blue"}


def test_a_factory_of_the_application_makes_the_engines() -> None:
    """Its own guard is the one that is attacked, and its options are in force."""
    tenancy = service("sqlite")
    made = []

    def factory(url: sa.URL) -> sa.Engine:
        made.append(guard(sa.create_engine(url, pool_pre_ping=True), tenancy, raw_sql="rewrite"))
        return made[-1]

    with laboratory(tenancy, "sqlite://", protect=lambda engine: engine, factory=factory) as lab:
        report = attack(lab, chosen(names=["count_rows", "text_select"]))
    assert made
    assert [str(result.outcome) for result in report.results] == ["held", "held"]


def test_a_row_that_does_not_fit_names_the_column() -> None:
    """The sentence says where values are wanted, and how they are given."""
    metadata = sa.MetaData()
    sa.Table(
        "codes",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("firm", sa.String(20), nullable=False),
        sa.Column("code", sa.String(9), nullable=False),
        sa.CheckConstraint("code LIKE 'x-%'", name="code_form"),
    )
    with pytest.raises(ConfigurationError, match=r"for codes does not fit .* Give values for codes\.code"):
        attacked(Tenancy(metadata, column="firm"), "sqlite://", chosen(("cache",)))
