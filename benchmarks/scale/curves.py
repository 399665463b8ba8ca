"""The curves: each measures one cost over a range of sizes, and the same without the guard where there is such."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import thread_time_ns
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
)

from benchmarks.scale.requests import at_once, make_app
from tenantguard import Principal, Tenancy, bind, guard
from tenantguard.identity.cache import Cache

REPEATS = 7
GUARDED, UNGUARDED = "tenantguard", "unguarded"


@dataclass
class Curve:
    """Hold one curve, ready to be drawn.

    Attributes:
        name: a file's name.
        title: what is shown.
        x: the horizontal axis.
        y: the vertical axis, with its unit.
        xs: the sizes.
        lines: by name, the cost at each size.
        flat: the cost is promised not to grow.
    """

    name: str
    title: str
    x: str
    y: str
    xs: list[int]
    lines: dict[str, list[float]] = field(default_factory=dict)
    flat: bool = True

    def add(self, line: str, value: float) -> None:
        """Add a point to a line."""
        self.lines.setdefault(line, []).append(value)


def tables(sizes: Sequence[int] = (10, 30, 100, 300, 1_000)) -> list[Curve]:
    """Measure a statement, a first compilation, the start and the memory over the number of tables."""
    warm = Curve("tables_warm", "one Core select, warm", "tables", "µs", list(sizes))
    cold = Curve("tables_cold", "one Core select, first compilation", "tables", "µs", list(sizes))
    start = Curve("tables_start", "guard() at start", "tables", "ms of CPU time", list(sizes), flat=False)
    memory = Curve("tables_memory", "memory taken by guard()", "tables", "MB", list(sizes), flat=False)
    for size in sizes:
        metadata = _metadata(size)
        table = metadata.sorted_tables[0]
        engines = {UNGUARDED: _engine(table), GUARDED: _engine(table)}
        tenancy = partial(Tenancy, metadata, column="company_id")
        spare = _engine(table)  # also pays for what the first guard() of a process imports
        memory.add(GUARDED, _traced_mb(lambda: guard(spare, tenancy())))  # noqa: B023 - called here
        began = thread_time_ns()
        guard(engines[GUARDED], tenancy())
        start.add(GUARDED, (thread_time_ns() - began) / 1e6)
        for name, value in _alternate(engines, table, 300).items():
            warm.add(name, value)
        for name, value in _alternate(engines, table, 40, cold=True).items():
            cold.add(name, value)
    return [warm, cold, start, memory]


def tenants(sizes: Sequence[int] = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)) -> list[Curve]:
    """Measure bind() and a statement while the tenants take turns, and the memory that it leaves behind."""
    cost = Curve("tenants_warm", "bind() and one Core select", "tenants that took turns", "µs", list(sizes))
    memory = Curve("tenants_memory", "memory left behind", "tenants that took turns", "MB", list(sizes))
    metadata = _metadata(1)
    table = metadata.sorted_tables[0]
    engines = {UNGUARDED: _engine(table), GUARDED: _engine(table)}
    guard(engines[GUARDED], Tenancy(metadata, column="company_id"))
    query = select(table.c.id).where(table.c.id == 1)
    for size in sizes:
        memory.add(GUARDED, _traced_mb(partial(_visit, size)))
        turns = itertools.cycle(range(0, size, max(1, size // 1_000)))
        found: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(REPEATS):
            for name, engine in engines.items():
                with engine.connect() as connection:
                    run = partial(_ask_as, connection, query, turns)
                    found[name].append(_time(run, 300))
        for name, values in found.items():
            cost.add(name, median(values))
    return [cost, memory]


def tokens(sizes: Sequence[int] = (100, 1_000, 10_000, 100_000, 1_000_000)) -> list[Curve]:
    """Measure a hit and the memory of the cache of tokens over the tokens that it was ever given."""
    hit = Curve("tokens_hit", "a hit in the cache of tokens", "tokens ever seen", "µs", list(sizes))
    memory = Curve("tokens_memory", "tokens that the cache keeps", "tokens ever seen", "entries", list(sizes))
    for size in sizes:
        cache: Cache[Principal] = Cache()
        principal = Principal(subject="ada", tenant="acme")
        for i in range(size):
            cache.put(b"Bearer %d" % i, principal, 1e12)
        last = [b"Bearer %d" % i for i in range(max(0, size - 100), size)]
        turns = itertools.cycle(last)
        hit.add(GUARDED, _repeat(lambda: cache.get(next(turns)), 2_000))  # noqa: B023 - called here
        memory.add(GUARDED, float(len(cache)))
    return [hit, memory]


def shapes(sizes: Sequence[int] = (10, 100, 400, 800, 1_600)) -> list[Curve]:
    """Measure statements over how many shapes there are: SQLAlchemy keeps 500 to 750 compiled."""
    curve = Curve(
        "shapes", "one Core select, shapes in turn", "shapes of statement", "µs", list(sizes), flat=False
    )
    metadata = _metadata(1, columns=11)
    table = metadata.sorted_tables[0]
    engines = {UNGUARDED: _engine(table), GUARDED: _engine(table)}
    guard(engines[GUARDED], Tenancy(metadata, column="company_id"))
    for size in sizes:
        for name, value in _shapes(engines, table, size).items():
            curve.add(name, value)
    return [curve]


def tasks(sizes: Sequence[int] = (1, 10, 100, 1_000)) -> list[Curve]:
    """Measure one request while that many are under way at once, each for a company of its own."""
    curve = Curve("tasks", "one request with one Core select", "requests at once", "µs", list(sizes))
    metadata = _metadata(1)
    table = metadata.sorted_tables[0]
    engines = {UNGUARDED: _engine(table), GUARDED: _engine(table)}
    guard(engines[GUARDED], Tenancy(metadata, column="company_id"))
    apps = {name: make_app(engine, table, name == GUARDED) for name, engine in engines.items()}
    for size in sizes:
        found: dict[str, list[float]] = {name: [] for name in apps}
        for _ in range(REPEATS):
            for name, app in apps.items():
                found[name].append(asyncio.run(at_once(app, size)))
        for name, values in found.items():
            curve.add(name, median(values))
    return [curve]


CURVES: dict[str, Callable[..., list[Curve]]] = {
    "tables": tables,
    "tenants": tenants,
    "tokens": tokens,
    "shapes": shapes,
    "tasks": tasks,
}


def _metadata(size: int, columns: int = 2) -> MetaData:
    metadata = MetaData()
    for i in range(size):
        more = [Column(f"value_{n}", Integer) for n in range(columns)]
        Table(
            f"table_{i:04}",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("company_id", String(40), nullable=False, index=True),
            *more,
        )
    return metadata


def _engine(table: Table) -> Engine:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        rows = [{"id": i, "company_id": f"company-{i % 10}"} for i in range(1_000)]
        connection.execute(insert(table), rows)
    return engine


def _alternate(
    engines: dict[str, Engine], table: Table, loops: int, *, cold: bool = False
) -> dict[str, float]:
    """Return the median cost of one statement on each engine, in microseconds of CPU time."""
    found: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(REPEATS):
        for name, engine in engines.items():
            with bind("company-1"), engine.connect() as connection:
                found[name].append(_time(_statement(connection, engine, table, cold=cold), loops))
    return {name: median(values) for name, values in found.items()}


def _statement(connection: Connection, engine: Engine, table: Table, *, cold: bool) -> Callable[[], object]:
    def run() -> object:
        if cold:
            engine.clear_compiled_cache()
        return connection.execute(select(table.c.id, table.c.value_0).where(table.c.id == 1)).all()

    return run


def _shapes(engines: dict[str, Engine], table: Table, size: int) -> dict[str, float]:
    columns = [table.c[f"value_{n}"] for n in range(11)]
    wanted = [[column for bit, column in enumerate(columns) if i >> bit & 1] for i in range(1, size + 1)]
    found: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(3):
        for name, engine in engines.items():
            with bind("company-1"), engine.connect() as connection:
                turns = itertools.cycle(wanted)
                found[name].append(
                    _time(lambda: connection.execute(select(*next(turns)).limit(1)).all(), max(size, 200))  # noqa: B023 - called here
                )
    return {name: median(values) for name, values in found.items()}


def _ask_as(connection: Connection, query: Any, turns: Iterator[int]) -> object:
    with bind(f"company-{next(turns)}"):
        return connection.execute(query).all()


def _repeat(run: Callable[[], object], loops: int) -> float:
    return median(_time(run, loops) for _ in range(REPEATS))


def _time(run: Callable[[], object], loops: int) -> float:
    """Return the microseconds of CPU time that one call takes."""
    for _ in range(max(1, loops // 10)):
        run()
    gc.collect()
    gc.disable()
    began = thread_time_ns()
    for _ in range(loops):
        run()
    taken = thread_time_ns() - began
    gc.enable()
    return taken / loops / 1_000


def _visit(tenants: int) -> None:
    """Let each tenant be there once."""
    for i in range(tenants):
        with bind(f"company-{i}"):
            pass


def _traced_mb(run: Callable[[], object]) -> float:
    """Return the memory that is still in use after a call, and was not before it."""
    gc.collect()
    tracemalloc.start()
    kept = run()
    gc.collect()
    taken: int = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return taken / 1e6
