"""Whole programs, chosen by Hypothesis, so that they shrink, or by a seed, which is fast and repeatable."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.testing.data import Data, generate
from tenantguard.testing.generator import entities, expressions, selects, units, writes
from tenantguard.testing.generator.draft import Choose, Draft
from tenantguard.testing.generator.elements import table_source
from tenantguard.testing.generator.program import Program
from tenantguard.testing.generator.schema import Schema

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ConfigurationError(
        "the generator of programs needs Hypothesis: pip install 'tenantguard[testing]'"
    ) from error

PAIRS = ((0, 1), (1, 0), (2, 1))


def core_read(d: Draft) -> None:
    """Run one or two queries on a connection, or the same one twice."""
    query = d.query(d.pick((0, 1, 2, 3)))
    d.body += ["with see:", f"    see(db.execute({query.code}), ordered={query.ordered})"]
    if d.chance(15):
        d.did("core: scalar of a count over it")
        over = d.let("s", f"select(func.count()).select_from({query.code}.subquery())")
        d.body += ["with see:", f"    see(db.scalar({over}))"]


def rowwise_read(d: Draft) -> None:
    """Read the rows of one table: what all tenants see together is what everybody sees without a guard."""
    able = [t for t in d.schema.tables.values() if t.placement.kind != "shared" and t.key]
    source = table_source(d, d.pick(able), alias=d.chance(30))
    d.did("core: rows of one table")
    where = f".where({expressions.predicate(d, [source], 0)})" if d.chance(70) else ""
    statement = d.let("s", f"select({source.code}){where}")
    d.body += ["with see:", f"    see(db.execute({statement}))"]


@cache
def _upto(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)


def programs(
    schema: Schema, *, data: Data | None = None, dialect: str = "sqlite", only: str | None = None
) -> st.SearchStrategy[Program]:
    """Return a hypothesis strategy of programs that one tenant's developer may well have written.

    Args:
        schema: the tables and classes to write them over.
        data: the rows that the databases hold; literal keys come from there.
        dialect: ``"sqlite"``, ``"postgresql"`` or ``"mysql"`` (MariaDB too).
        only: ``"reads"`` or ``"writes"``; both otherwise.
    """
    rows = data if data is not None else generate(schema)
    return _programs(schema, rows, dialect, only)


@st.composite
def _programs(
    draw: Callable[[st.SearchStrategy[int]], int], schema: Schema, data: Data, dialect: str, only: str | None
) -> Program:
    return write(lambda most: draw(_upto(most)), schema, data, dialect, only)


def write(choose: Choose, schema: Schema, data: Data, dialect: str, only: str | None = None) -> Program:
    """Write one program by the choices that are made for it."""
    d = Draft(choose, schema, data, dialect, selects.query, selects.value)
    kind = d.pick(_kinds(schema, only))
    d.orm = kind.orm
    kind.write(d)
    return Program(
        statements=tuple(d.lines),
        body=tuple(d.body),
        orm=kind.orm,
        writes=kind.writes,
        shapes=frozenset(d.shapes),
        tenants=d.pick(PAIRS),
        several=not kind.writes and d.chance(25),
        rowwise=kind.write is rowwise_read,
        plain=kind.write is core_read,
        dialect=dialect,
    )


class _Kind:
    """A kind of program: its writer, and what it runs on."""

    def __init__(self, write: Callable[[Draft], Any], *, orm: bool = False, writes: bool = False) -> None:
        self.write, self.orm, self.writes = write, orm, writes


def _kinds(schema: Schema, only: str | None) -> list[_Kind]:
    if only == "writes":
        return _writes(schema)
    reads = [_Kind(rowwise_read), *[_Kind(core_read)] * 4]
    if schema.classes:
        reads += [*[_Kind(entities.entity_read, orm=True)] * 4, _Kind(entities.get_read, orm=True)]
        reads += [_Kind(entities.eager_join_read, orm=True)]
        reads += [*[_Kind(entities.column_read, orm=True)] * 3]
    return reads if only == "reads" else [*reads, *_writes(schema) * 2]


def _writes(schema: Schema) -> list[_Kind]:
    if not any(t.writable for t in schema.tables.values()):
        return []
    found = [_Kind(writes.write_statements, writes=True)]
    if schema.classes:
        found += [_Kind(writes.write_statements, orm=True, writes=True)]
        found += [_Kind(units.unit_of_work, orm=True, writes=True)] * 2
    return found
