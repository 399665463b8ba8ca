"""The oracle agrees with the guard, and notices every guard that is broken."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
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
    TypeDecorator,
    Uuid,
    delete,
    insert,
    or_,
    select,
    update,
)

from tenantguard import ConfigurationError, Tenancy
from tenantguard.sql.install import guard
from tenantguard.testing.campaign import prove
from tenantguard.testing.comparison import Outcome, compare
from tenantguard.testing.generator import models
from tenantguard.testing.generator.choices import Recorded
from tenantguard.testing.generator.program import Program
from tenantguard.testing.generator.programs import write
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.places import recipe
from tenantguard.testing.relations import RowSecurity, by_hand, examine, partition
from tenantguard.testing.witness import Raised
from tests.servers import BACKENDS, Backend, MissingServerError, Servers
from tests.support.shares import first
from tests.testing.shapes import BY_BACKEND, proven

SEED = 4
PROGRAMS = 800  # of which each database runs those that bring new shapes; `make prove` runs a million
FEW = 80
MOST = 400  # "within a few hundred programs"


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Keep thousands of refusals out of the log."""
    logger = logging.getLogger("tenantguard.audit")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def make(**options: Any) -> Oracle:
    """Return an oracle over the built-in models."""
    return Oracle(models.metadata, models.tenancy, models.Base, **options)


def url_of(servers: Servers, backend: Backend) -> str:
    """Return a server's URL, or skip where it is missing."""
    try:
        return "sqlite://" if backend == "sqlite" else servers.url(backend)
    except MissingServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """Give an oracle over the built-in models, guarded, on SQLite."""
    with make() as made:
        yield made


@pytest.fixture(scope="module")
def unguarded() -> Iterator[Oracle]:
    """Give the same with the guard off."""
    with make(protect=None) as made:
        yield made


@pytest.mark.parametrize("backend", BACKENDS)
def test_generated_programs_keep_the_promise(servers: Servers, backend: Backend, whole: bool) -> None:
    """Programs see and do in the guarded database what they see and do in the tenant's own; they cover every shape.

    So they do on a server in ``make matrix``: of fewer programs, some shapes are seen on SQLite alone.
    """
    covers = whole or backend == "sqlite"
    with make(url=url_of(servers, backend)) as made:
        tally = proven(
            made, PROGRAMS if covers else FEW, seed=SEED, times=2 if whole and backend == "sqlite" else 1
        )
    assert tally.disagreements == 0, "\n\n".join(tally.reports)
    assert tally.refusals * 1000 <= tally.programs, "\n\n".join(tally.reports)
    assert not covers or BY_BACKEND[backend] <= set(tally.shapes)


def test_row_security_alone_gives_the_same_rows(servers: Servers, whole: bool) -> None:
    """PostgreSQL's policies alone show and store what the tenant's own database does, and leave other rows alone."""
    with make(url=url_of(servers, "postgresql")) as made:
        security = RowSecurity(made)
        tally = proven(made, 200 if whole else 30, seed=2, security=security)
        security.close()
    assert tally.disagreements == 0, "\n\n".join(tally.reports)


def first_disagreement(oracle: Oracle, only: str | None = None) -> int | None:
    """Return the number of the first program on which an oracle disagrees, if there is one soon."""
    for number in range(MOST):
        program = write(Recorded(1, number), oracle.schema, oracle.data, oracle.dialect, only)
        if not examine(oracle, program).agrees:
            return number
    return None


@pytest.mark.parametrize("only", ["reads", "writes"])
def test_it_notices_that_there_is_no_guard(unguarded: Oracle, only: str) -> None:
    """With the guard off it disagrees within a few programs."""
    assert first_disagreement(unguarded, only) is not None


def mistaken(**changes: Any) -> Callable[[Engine, Tenancy], object]:
    """Return a guard that was told something wrong about how the tables belong."""
    right: dict[str, Any] = {
        "column": "company_id",
        "columns": {"companies": "id"},
        "through": {"call_tags": "call_id", "tag_comments": "tag_id", "memberships": "user_id"},
        "shared": {"countries"},
    }
    wrong = {**right, **changes}
    return lambda engine, tenancy: guard(engine, Tenancy(models.metadata, **wrong))


BROKEN: dict[str, Callable[[Engine, Tenancy], object]] = {
    "a table through a parent is taken for shared": mistaken(
        through={"call_tags": "call_id", "memberships": "user_id"},
        shared_writable={"tag_comments"},
        openly_shared={"tag_comments"},
    ),
    "an association is taken for shared": mistaken(
        through={"call_tags": "call_id", "tag_comments": "tag_id"},
        shared_writable={"memberships"},
        openly_shared={"memberships"},
    ),
    "a table belongs by a foreign key that may be null": mistaken(
        through={"call_tags": "call_id", "tag_comments": "author_id", "memberships": "user_id"}
    ),
    "a predicate is widened": mistaken(
        visible={"calls": lambda table, tenant: or_(table.c.company_id == tenant, table.c.seconds > 5)}
    ),
    "a predicate is narrowed": mistaken(
        visible={"calls": lambda table, tenant: (table.c.company_id == tenant) & (table.c.seconds > 5)}
    ),
}


@pytest.mark.parametrize("broken", first(BROKEN, 2))
def test_it_notices_a_broken_guard(broken: str) -> None:
    """A guard with one fault disagrees within a few hundred programs."""
    with make(protect=BROKEN[broken]) as made:
        assert first_disagreement(made) is not None


def test_it_notices_that_another_tenants_row_was_changed(unguarded: Oracle) -> None:
    """The rows of other tenants must stand afterwards as they did before."""

    def program(db: Any, see: Any, own: Any, other: Any, tenant: Any) -> None:
        db.execute(update(models.Call).values(title="changed"))

    told = unguarded.run(program, writes=True).disagreements
    assert any("rows of other tenants in calls changed" in line for line in told)


def test_it_notices_that_a_row_of_the_tenants_own_is_missing() -> None:
    """The tenant's slice afterwards is compared with its own database."""
    mine, right = Outcome([], {"calls": ["(1,)"]}), Outcome([], {"calls": ["(1,)", "(2,)"]})
    told = compare(mine, right, {"calls": Counter()}, "acme").disagreements
    assert told == ("as acme: calls afterwards holds nothing more and lacks (2,)",)


def test_a_refusal_is_told_apart(oracle: Oracle) -> None:
    """What the guard refuses and the tenant's own database takes is a refusal, not a disagreement."""

    def program(db: Any, see: Any, own: Any, other: Any, tenant: Any) -> None:
        with see:
            db.exec_driver_sql("SELECT id FROM groups")

    verdict = oracle.run(program)
    assert verdict.agrees
    assert "refused with RawSQLError" in verdict.refusals[0]


def test_errors_agree_where_both_sides_fail(oracle: Oracle) -> None:
    """A parent of another tenant is refused here and missing there: both fail."""

    def program(db: Any, see: Any, own: Any, other: Any, tenant: Any) -> None:
        with see:
            db.execute(insert(models.CallTag), {"id": 1001, "call_id": other("calls", 0), "label": "x"})

    verdict = oracle.run(program, writes=True)
    assert verdict.agrees
    assert not verdict.refusals
    assert verdict.errors == ("IntegrityError(IntegrityError)",) * 2


def test_an_error_on_one_side_only_is_a_disagreement() -> None:
    """An error of the database that the tenant's own database does not raise is reported."""
    told = compare(Outcome([(1, Raised("KeyError", refused=False))]), Outcome([(1, 3)]), {}, "acme")
    assert told.disagreements == ("as acme, step 1: guarded raised KeyError (), but alone saw 3",)


def test_nothing_is_left_behind(oracle: Oracle) -> None:
    """Each run is rolled back, so that the next program finds the same rows."""
    before = oracle.together.state(oracle.schema)

    def program(db: Any, see: Any, own: Any, other: Any, tenant: Any) -> None:
        db.execute(delete(models.Forward))

    oracle.check(program, writes=True)
    assert oracle.together.state(oracle.schema) == before


def test_check_raises_with_what_differs(unguarded: Oracle) -> None:
    """A function of the user's own is checked in one call."""

    def program(db: Any, see: Any, own: Any, other: Any, tenant: Any) -> None:
        see(db.execute(select(models.Group.id)))

    with pytest.raises(AssertionError, match=r"as acme, step 0: guarded saw .*, but alone saw"):
        unguarded.check(program)


def ran(code: str) -> subprocess.CompletedProcess[str]:
    """Run a script by itself."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_report_is_a_script_that_runs_alone(oracle: Oracle) -> None:
    """It imports the models from where they are, makes the oracle and runs the program again."""
    program = write(Recorded(3, 11), oracle.schema, oracle.data, oracle.dialect)
    code = oracle.report(oracle.run(program)).partition("\n\n")[2]
    assert "oracle.check(program, tenants=" in code
    assert ran(code).returncode == 0


def test_the_smallest_failing_program_fails_alone(unguarded: Oracle) -> None:
    """What a campaign reports is small, and shows the same disagreement where nothing but the script runs."""
    tally = prove(
        unguarded, programs=1, start=first_disagreement(unguarded, "reads") or 0, seed=1, only="reads"
    )
    told, _, code = tally.reports[0].partition("\n\n")
    assert len(code.splitlines()) < 25
    done = ran(code)
    assert done.returncode == 1
    assert told.splitlines()[1] in done.stderr


def test_a_report_asks_for_what_no_module_holds() -> None:
    """Models that were made inside a function are left to the reader, in a comment."""
    metadata = MetaData()
    Table("bills", metadata, Column("id", Integer, primary_key=True), Column("firm", String, nullable=False))
    with Oracle(metadata, Tenancy(metadata, column="firm"), samples={"bills.id": [1, 2]}) as made:
        assert recipe(made) == [
            "from tenantguard.testing import Oracle",
            "# here: import or define what the oracle was given as tenancy",
            "Oracle(tenancy.metadata, tenancy, url='sqlite://', samples={'bills.id': [1, 2]})",
        ]


ROWS = Program(("s = select(groups)",), ("see(db.execute(s))",), rowwise=True, plain=True)


def test_partition_notices_that_there_is_no_guard(oracle: Oracle, unguarded: Oracle) -> None:
    """Without a guard two tenants see the same row; with it their rows are those of the whole table."""
    assert partition(oracle, ROWS) == []
    assert partition(unguarded, ROWS) == [
        "partition: what the tenants see together is not what everybody sees without a guard",
        "partition: two tenants see the same row",
    ]


def test_a_filter_by_hand_notices_that_there_is_no_guard(oracle: Oracle, unguarded: Oracle) -> None:
    """The same rows come of tables that were filtered by hand."""
    assert by_hand(oracle, ROWS) == []
    assert "filtered by hand" in by_hand(unguarded, ROWS)[0]


@pytest.mark.parametrize("kind", [Integer, Uuid])
def test_tenants_may_be_numbers_or_uuids(kind: type[Any]) -> None:
    """The tenants of the oracle have the type of the tenant column; Core tables alone do."""
    metadata = MetaData()
    Table("firms", metadata, Column("id", kind, primary_key=True), Column("name", String(20), nullable=False))
    Table(
        "bills",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("firm_id", kind, ForeignKey("firms.id"), nullable=False),
        Column("total", Integer, nullable=False),
    )
    tenancy = Tenancy(metadata, column="firm_id", columns={"firms": "id"})
    with Oracle(metadata, tenancy) as made:
        tally = proven(made, 60, seed=0)
    assert tally.disagreements == 0, "\n\n".join(tally.reports)


def test_tables_may_stand_in_a_schema() -> None:
    """On SQLite a schema becomes an attached database."""
    metadata = MetaData(schema="crm")
    Table(
        "bills",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("firm", String(20), nullable=False),
        Column("total", Integer, nullable=False),
    )
    with Oracle(metadata, Tenancy(metadata, column="firm")) as made:
        tally = proven(made, 60, seed=0)
    assert not tally.reports, "\n\n".join(tally.reports)


def test_an_unknown_type_asks_for_samples() -> None:
    """What cannot be guessed is asked for by name."""
    metadata = MetaData()
    shape: Column[Any] = Column("shape", _Strange(), nullable=False)
    Table(
        "bills",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("firm", String, nullable=False),
        shape,
    )
    with pytest.raises(ConfigurationError, match=r'samples=\{"bills.shape": \[...\]\}'):
        Oracle(metadata, Tenancy(metadata, column="firm"))


class _Strange(TypeDecorator[complex]):
    """Take no value that the oracle knows."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: complex | None, dialect: Any) -> str:
        """Ask for what nobody guesses."""
        assert isinstance(value, complex)
        return str(value)
