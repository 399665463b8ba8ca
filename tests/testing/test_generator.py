"""The generator writes programs that run, again the same for the same choices, and makes failing ones small."""

from __future__ import annotations

import enum
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Column, Enum, Integer, MetaData, String, Table
from sqlalchemy.types import JSON

from tenantguard import Tenancy
from tenantguard.testing.campaign import prove
from tenantguard.testing.data import Data, generate
from tenantguard.testing.generator import models
from tenantguard.testing.generator.choices import Recorded, Replayed, shrink
from tenantguard.testing.generator.program import Program, imports
from tenantguard.testing.generator.programs import programs, write
from tenantguard.testing.generator.schema import Schema
from tenantguard.testing.oracle import Oracle
from tests.testing.shapes import BY_BACKEND

RARELY = 3  # of 2,500 programs
SCHEMA = Schema(models.metadata, models.tenancy, models.Base)
DATA = generate(SCHEMA)


def made(number: int, dialect: str = "sqlite", only: str | None = None) -> Program:
    """Return the program of this number."""
    return write(Recorded(0, number), SCHEMA, DATA, dialect, only)


@given(program=programs(SCHEMA, data=DATA))
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_programs_are_a_hypothesis_strategy(program: Program) -> None:
    """Every program that hypothesis draws compiles to a function."""
    assert callable(program.function({**SCHEMA.namespace(), "sample": None}))


def test_a_number_gives_the_same_program_again() -> None:
    """Seed and number are all it takes to see a program again."""
    assert [made(n).code for n in range(30)] == [made(n).code for n in range(30)]


def test_the_choices_give_the_same_program_again() -> None:
    """A recorded list of choices is replayed."""
    recorded = Recorded(0, 7)
    first = write(recorded, SCHEMA, DATA, "sqlite")
    assert write(Replayed(recorded.made), SCHEMA, DATA, "sqlite").code == first.code


def test_no_choice_at_all_is_the_simplest_program() -> None:
    """Choices that run out are 0, so that shrinking ends in something small."""
    assert len(write(Replayed([]), SCHEMA, DATA, "sqlite").code.splitlines()) < 8


def test_shrink_finds_what_matters() -> None:
    """Of many choices the few that make it fail are left."""
    given = [5, 9, 3, 200, 7, 1, 8, 64, 2]

    def fails(choices: list[int]) -> list[int] | None:
        return choices if any(c >= 100 for c in choices) and len(choices) >= 2 else None

    assert shrink(given, fails) == [100, 0]


def test_shrink_stops_after_its_tries() -> None:
    """A failure that cannot be made smaller costs no more than was allowed."""
    tried: list[list[int]] = []

    def fails(choices: list[int]) -> list[int] | None:
        tried.append(choices)
        return None

    assert shrink([9] * 40, fails, tries=25) == [9] * 40
    assert len(tried) == 25


@pytest.mark.parametrize("backend", BY_BACKEND)
def test_every_shape_has_a_real_frequency(backend: str) -> None:
    """Each shape turns up on each database that knows it, and within a few hundred programs of its kind."""
    dialect = "mysql" if backend == "mariadb" else backend
    seen = Counter(shape for n in range(2500) for shape in made(n, dialect).shapes)
    assert {shape: seen[shape] for shape in BY_BACKEND[backend] if seen[shape] < RARELY} == {}


def test_imports_name_what_is_used() -> None:
    """A report begins with the imports that its code needs, and no other."""
    code = "s = select(func.count())\nt = sqlite_insert(calls).values(day=datetime.date(2026, 1, 5))"
    assert imports(code, "sqlite") == [
        "import datetime",
        "from sqlalchemy import func, select",
        "from sqlalchemy.dialects.sqlite import insert as sqlite_insert",
    ]


def rows(data: Data, table: str) -> list[dict[str, object]]:
    """Return the rows of every tenant."""
    return [row for slices in data.rows.values() for row in slices.get(table, ())]


def test_keys_differ_and_other_values_collide() -> None:
    """No two tenants share a key, and each value of one is some other one's too."""
    users = rows(DATA, "users")
    assert len({row["id"] for row in users}) == len(users)
    assert len({row["name"] for row in users}) < len(users)


def test_a_key_that_holds_the_tenant_collides() -> None:
    """Tenants use the same numbers where the tenant is part of the key."""
    numbers = Counter(row["number"] for row in rows(DATA, "extensions"))
    assert numbers[1] == len(DATA.tenants)


def test_parents_are_the_tenants_own() -> None:
    """Foreign keys hold within each tenant."""
    for tenant in DATA.tenants:
        calls = {row["id"] for row in DATA.rows[tenant]["calls"]}
        assert {row["call_id"] for row in DATA.rows[tenant]["call_tags"]} <= calls


class Colour(enum.Enum):
    """Be a value that has no literal."""

    RED = "red"
    BLUE = "blue"


def test_values_without_a_literal_are_asked_for() -> None:
    """Members of an enumeration and documents are written like any other value."""
    metadata = MetaData()
    Table(
        "cars",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("firm", String, nullable=False),
        Column("colour", Enum(Colour), nullable=False),
        Column("extras", JSON, nullable=False),
    )
    with Oracle(metadata, Tenancy(metadata, column="firm")) as oracle:
        written = [
            write(Recorded(0, n), oracle.schema, oracle.data, "sqlite", "writes").code for n in range(40)
        ]
        tally = prove(oracle, programs=40, only="writes")
    assert any("sample('cars', 'colour', 1)" in code for code in written)
    assert tally.disagreements == 0, "\n\n".join(tally.reports)
