"""The oracle runs over schemas unlike its own: composite keys, UUIDs, chains of tables, no key at all, odd names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tenantguard.testing.generator.choices import Recorded
from tenantguard.testing.generator.programs import write
from tenantguard.testing.generator.schema import Schema
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.relations import examine
from tests.servers import BACKENDS, Backend, Servers
from tests.testing import other_schemas
from tests.testing.shapes import proven
from tests.testing.test_oracle import url_of

PROGRAMS = {"sqlite": 60, "postgresql": 20, "mariadb": 20}  # of which those run that bring new shapes


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Keep refusals out of the log."""
    logger = logging.getLogger("tenantguard.audit")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def over(name: str, backend: Backend) -> tuple[Any, Any, Any]:
    """Return metadata, tenancy and base of one of the schemas."""
    if name == "goods":
        return other_schemas.Goods.metadata, other_schemas.goods, other_schemas.Goods
    if name == "school":
        return other_schemas.School.metadata, other_schemas.school, other_schemas.School
    return (*other_schemas.diary("mysql" if backend == "mariadb" else backend), None)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["goods", "school", "diary"])
def test_programs_over_another_schema_keep_the_promise(servers: Servers, name: str, backend: Backend) -> None:
    """Nothing disagrees, and nothing that one tenant's developer may write is refused."""
    with Oracle(*over(name, backend), url=url_of(servers, backend)) as oracle:
        tally = proven(oracle, PROGRAMS[backend], seed=5)
    assert tally.disagreements == 0, "\n\n".join(tally.reports)
    assert tally.refusals == 0, "\n\n".join(tally.reports)
    assert tally.programs > PROGRAMS[backend] / 4


@pytest.mark.parametrize("name", ["goods", "school", "diary"])
def test_it_notices_that_there_is_no_guard(name: str) -> None:
    """With the guard off the same programs disagree, whatever the schema."""
    with Oracle(*over(name, "sqlite"), protect=None) as oracle:
        programs = [write(Recorded(5, n), oracle.schema, oracle.data, oracle.dialect) for n in range(30)]
        assert sum(not examine(oracle, program).agrees for program in programs) > 3


def test_every_table_of_another_schema_has_rows() -> None:
    """Rows were made for each table and tenant, tables without a key among them."""
    with Oracle(*over("diary", "sqlite")) as oracle:
        rows = oracle.data.rows[oracle.data.tenants[0]]
        assert {name: bool(found) for name, found in rows.items()} == dict.fromkeys(
            oracle.schema.tables, True
        )
        assert isinstance(oracle.schema, Schema)
