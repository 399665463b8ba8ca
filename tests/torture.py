"""``make torture``: a million transactions of fifty companies by pools that are too small, and none sees another's.

Transactions commit, roll back, are cancelled, time out and lose their server, by each driver, through PgBouncer too
where it is installed. The database itself counts: a row holds whom it was meant for, whom PostgreSQL was told, and
whose rows were seen by the transaction that wrote it. It ends with 1 if one of them is wrong,
or if hardly any was stored.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tenantguard import Tenancy, bind, guard
from tenantguard.postgres import Roles, RowSecurity, Seal, install
from tests.postgres.pooler import pgbouncer
from tests.servers import running

COMPANIES = [f"company{number}" for number in range(50)]
ROLES, KEY = Roles("torture_app", maintenance="torture_maintenance"), b"a key that stands in tests alone"
METADATA = MetaData()
ROWS = Table(
    "rows", METADATA, Column("id", Integer, primary_key=True), Column("company_id", String(12), nullable=False),
    Column("meant", String(12)), Column("seen", String(40)),
    Column("told", String(12), server_default=text("current_setting('tenantguard.tenant', true)")),
)  # fmt: skip
WRONG = text(
    "SELECT count(*), count(*) FILTER (WHERE company_id <> meant OR told IS DISTINCT FROM meant OR seen <> meant) "
    "FROM rows"
)
SEEN = select(func.coalesce(func.string_agg(ROWS.c.company_id.distinct(), ","), "")).where(ROWS.c.id < 500)
ENDS = ("commit",) * 12 + ("rollback", "error", "cancel", "timeout", "kill")


@contextlib.contextmanager
def engines(url: URL, pooled: URL | None) -> Iterator[list[AsyncEngine]]:
    """Yield a guarded engine for each driver, way and size of pool."""
    made = []
    direct: list[tuple[str, str, int]] = [
        ("psycopg", "pipeline", 2), ("psycopg", "begin", 5), ("psycopg", "pipeline", 20), ("asyncpg", "begin", 2),
        ("asyncpg", "begin", 10),
    ]  # fmt: skip
    for driver, flights, size in direct:
        made.append(_engine(url, driver, flights, size, pooled=False))
    for driver, flights in (("psycopg", "pipeline"), ("psycopg", "begin"), ("asyncpg", "begin")):
        if pooled is not None:
            made.append(_engine(pooled, driver, flights, 6, pooled=True))
    yield made


def _engine(url: URL, driver: str, flights: Any, size: int, *, pooled: bool) -> AsyncEngine:
    arguments: dict[str, Any] = {}
    if pooled and driver == "psycopg":
        arguments = {"prepare_threshold": None}
    elif pooled:
        names = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        arguments = {**names, "prepared_statement_name_func": lambda: ""}
    engine = create_async_engine(
        url.set(drivername=f"postgresql+{driver}", username=ROLES.application),
        pool_size=size, max_overflow=0, pool_timeout=120, connect_args=arguments,
    )  # fmt: skip
    return guard(
        engine,
        Tenancy(METADATA, column="company_id"),
        row_security=RowSecurity(Seal(KEY, pooled=pooled), flights=flights),
    )


class Torture:
    """Workers that share what is left to do.

    Attributes:
        ended: how the transactions ended.
    """

    def __init__(self, made: list[AsyncEngine], owner: Engine, transactions: int) -> None:
        self._engines, self._owner, self._left = made, owner, transactions
        self.ended: Counter[str] = Counter()

    async def work(self, seed: int) -> None:
        """Run transactions until none is left."""
        chosen = random.Random(seed)
        while self._left > 0:
            self._left -= 1
            how = chosen.choice(ENDS)
            run = self._one(chosen.choice(self._engines), chosen.choice(COMPANIES), how)
            try:
                if how == "cancel":
                    task = asyncio.ensure_future(run)
                    await asyncio.sleep(chosen.random() / 200)
                    task.cancel()
                    await task
                else:
                    await asyncio.wait_for(run, 0.003 if how == "timeout" else 120)
            except (
                SQLAlchemyError,
                asyncio.CancelledError,
                TimeoutError,
                ZeroDivisionError,
                OSError,
            ) as error:
                self.ended[type(error).__name__] += 1
            else:
                self.ended[how] += 1

    async def _one(self, engine: AsyncEngine, company: str, how: str) -> None:
        with bind(company):
            async with engine.connect() as connection:
                seen = (await connection.execute(SEEN)).scalar()
                row = {"meant": company, "seen": seen or company}
                await connection.execute(insert(ROWS).values(row))
                if how == "kill":
                    process = (await connection.execute(select(func.pg_backend_pid()))).scalar_one()
                    await asyncio.to_thread(self._kill, process)
                if how == "error":
                    raise ZeroDivisionError
                await (connection.rollback() if how == "rollback" else connection.commit())

    def _kill(self, process: int) -> None:
        with self._owner.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})


async def tortured(
    url: URL, pooled: URL | None, owner: Engine, transactions: int, workers: int
) -> Counter[str]:
    """Run the transactions and return how they ended."""
    with engines(url, pooled) as made:
        torture = Torture(made, owner, transactions)
        await asyncio.gather(*(torture.work(seed) for seed in range(workers)))
        for engine in made:
            await engine.dispose()
    return torture.ended


def main() -> int:
    """Prepare a database, torture it, and let it count."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=main.__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=60)
    given = parser.parse_args()
    with running() as servers, contextlib.ExitStack() as stack:
        url = make_url(servers.url("postgresql"))
        owner = create_engine(url)
        METADATA.create_all(owner)
        with owner.begin() as connection:
            install(connection, Tenancy(METADATA, column="company_id"), ROLES, seal=Seal(KEY))
            told = [{"company_id": name, "meant": name, "told": name, "seen": name} for name in COMPANIES * 5]
            connection.execute(insert(ROWS), told)
        pooled = stack.enter_context(pgbouncer(url, ROLES.application))
        begun = time.perf_counter()
        ended = asyncio.run(tortured(url, pooled, owner, given.transactions, given.workers))
        with owner.connect() as connection:
            stored, wrong = connection.execute(WRONG).one()
        owner.dispose()
    through = "and through PgBouncer" if pooled is not None else "PgBouncer is not installed"
    print(
        f"{given.transactions:,} transactions in {time.perf_counter() - begun:.0f} s, {through}: {dict(ended)}"
    )
    print(f"the database counts {stored:,} rows, {wrong} wrong")
    return int(wrong > 0 or stored < given.transactions // 2)


if __name__ == "__main__":
    sys.exit(main())
