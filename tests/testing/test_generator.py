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


READS = """
join: inner|join: left|join: right|join: full|join: cross|join: comma list|join: nested on the right
from: table alias|from: aliased class|from: subquery|from: cte|from: cte alias|from: cte referred to again
from: recursive cte|from: values|from: table-valued function|from: class over a subquery|from: with_polymorphic
subquery: scalar|subquery: exists|subquery: in|subquery: tuple in|subquery: correlated|subquery: in having
subquery: in order by|subquery or predicate in ON|set operation: union|set operation: union_all
set operation: intersect|set operation: except|set operation: nested|set operation: limit
select: aggregate|select: group by|select: having|select: window|select: distinct|select: limit
relationship: any|relationship: has|relationship: of_type|relationship: with_parent and contains
loader: selectinload|loader: joinedload|loader: subqueryload|loader: lazyload|loader: immediateload|loader: raiseload
loader: nested|loader: defer|loader: load_only|loader: undefer|loader: selectin_polymorphic
loader: with_loader_criteria|loader: contains_eager
entity: get|entity: get again|entity: yield_per|query: legacy|entity: columns|entity: bundle|core: rows of one table
"""
WRITES = """
insert: one|insert: many|insert: values list|insert: subquery|insert: class|insert: class returning
insert: from select|insert: upsert|insert: on conflict do nothing|insert: on conflict do update|insert: returning
update: plain|update: from|update: subquery|update: executemany|update: bulk by key|update: returning
delete|delete: class|delete: returning|update: class plain|write: tenant said|write: moved to another parent
write: another tenant's parent|write: another tenant's key
unit: add|unit: change|unit: change by expression|unit: another parent|unit: parent taken away|unit: new child
unit: moved between collections|unit: delete|unit: merge|unit: refresh|unit: expire|unit: expunge|unit: flush
unit: commit|unit: rollback|unit: savepoint, commit|unit: savepoint, rollback|unit: autoflush
unit: appended, many to many|unit: clear, many to many|unit: pop, one to many|unit: bulk_save_objects
unit: bulk_insert_mappings
"""
ELSEWHERE = {
    "postgresql": {
        "select: distinct on",
        "from: lateral",
        "from: tablesample",
        "select: group by key",
        "subquery: any",
        "subquery: all",
        "delete: using",
        "cte: insert",
        "cte: update",
        "cte: delete",
    },
    "mysql": {"subquery: any", "select: group by key", "delete: using", "insert: upsert"},
}


@pytest.mark.parametrize(("only", "expected"), [("reads", READS), ("writes", WRITES)])
def test_every_shape_turns_up(only: str, expected: str) -> None:
    """A few thousand programs cover every shape that is listed."""
    wanted = {shape for line in expected.strip().splitlines() for shape in line.split("|")}
    seen = Counter(shape for n in range(1500) for shape in made(n, only=only).shapes)
    assert wanted - set(seen) == set()


@pytest.mark.parametrize("dialect", list(ELSEWHERE))
def test_each_dialect_has_shapes_of_its_own(dialect: str) -> None:
    """What only one database can is written for that one."""
    seen = {shape for n in range(1500) for shape in made(n, dialect).shapes}
    assert ELSEWHERE[dialect] - seen == set()


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
