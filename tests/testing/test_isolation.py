"""One line turns vectors and oracle into tests of a user's own models, and says plainly what does not hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.ext.asyncio import create_async_engine

from tenantguard import guard
from tenantguard.testing.isolation import assert_isolated
from tenantguard.testing.vectors import models
from tests.testing.test_plugin import QUIET, SYNC

pytest_plugins = ["pytester"]

APP = """
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from tenantguard import Tenancy, guard
from tenantguard.testing import isolation_suite

class Base(DeclarativeBase): pass

class Folder(Base):
    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    firm: Mapped[str]
    name: Mapped[str]
    papers: Mapped[list["Paper"]] = relationship()

class Paper(Base):
    __tablename__ = "papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folders.id"))
    title: Mapped[str]

tenancy = Tenancy(Base.metadata, column="firm", through={"papers": "folder_id"})
engine = create_engine("sqlite:///app.db")
"""


def run(pytester: pytest.Pytester, code: str) -> pytest.RunResult:
    """Run the tests of an application."""
    pytester.makepyfile(APP + code)
    return pytester.runpytest_inprocess(*QUIET, *SYNC, "-rs")


def test_one_line_makes_tests_of_the_users_models(pytester: pytest.Pytester, whole: bool) -> None:
    """A case per vector and operation, and one for the oracle; what has no shape here is skipped with the reason."""
    groups = () if whole else ("context", "cache", "legitimate")
    result = run(
        pytester,
        "guard(engine, tenancy)\n"
        f"test_isolation = isolation_suite(tenancy, engine, groups={groups}, programs=20)\n",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > (250 if whole else 60)
    assert "failed" not in outcomes
    assert "errors" not in outcomes
    assert not (pytester.path / "app.db").exists()


def test_an_engine_without_a_guard_fails(pytester: pytest.Pytester) -> None:
    """The suite runs under a guard like the engine's; under none, vectors and oracle fail in one sentence each."""
    result = run(
        pytester, "test_isolation = isolation_suite(tenancy, engine, groups=['pool'], programs=40)\n"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] >= 3
    told = "\n".join(result.outlines)
    assert "leaked: " in told
    assert "of 40 programs disagree" in told


def test_the_oracle_writes_programs_of_the_orm(pytester: pytest.Pytester) -> None:
    """Mapped classes are found through the tenancy."""
    result = run(
        pytester,
        """
from tenantguard.testing.isolation import _registry_of
def test_found():
    assert _registry_of(tenancy) is Base.registry
""",
    )
    result.assert_outcomes(passed=1)


def test_values_that_cannot_be_guessed_are_given(pytester: pytest.Pytester) -> None:
    """One dictionary serves vectors and oracle."""
    result = run(
        pytester,
        """
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table
metadata = MetaData()
Table("codes", metadata, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False),
      Column("code", String(9), CheckConstraint("code GLOB 'x-[0-9]*'"), nullable=False))
codes = Tenancy(metadata, column="firm")
guard(engine, codes)
given = {"codes.code": lambda tenant, n: f"x-{n}"}
test_isolation = isolation_suite(codes, engine, groups=["pool"], programs=10, values=given)
""",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 5
    assert "failed" not in outcomes


def test_assert_isolated_is_one_call() -> None:
    """It passes under a guard, for an asynchronous engine too."""
    engine = guard(create_async_engine("sqlite+aiosqlite://"), models.tenancy)
    assert_isolated(models.tenancy, engine, groups=["pool"])


def test_assert_isolated_lists_what_leaks() -> None:
    """Without a guard every vector that leaked is named."""
    with pytest.raises(
        AssertionError, match=r"No guard is installed on the engine, (?s:.*)\n  - \w+ leaked: "
    ):
        assert_isolated(models.tenancy, create_engine("sqlite://"), groups=["pool"])


def test_the_application_s_own_database_is_left_alone(tmp_path: Path) -> None:
    """What stands in the engine's database is neither read nor changed."""
    engine = create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    models.Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(models.Country), {"code": "de", "name": "Germany"})
    before = (tmp_path / "app.db").read_bytes()
    assert_isolated(models.tenancy, guard(engine, models.tenancy), groups=["pool"])
    assert (tmp_path / "app.db").read_bytes() == before


def test_a_missing_hypothesis_is_one_sentence() -> None:
    """It names the extra."""
    code = "import sys; sys.modules['hypothesis'] = None; import tenantguard.testing.campaign"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs Hypothesis: pip install 'tenantguard[testing]'" in done.stderr.splitlines()[-1]
