"""Latency of a transaction of one statement on PostgreSQL: unguarded, as libraries tell the tenant, and guarded.

On loopback, and with a delay that a proxy in a process of its own adds to each flight. Everyone takes turns, so that
what else the machine does falls on all alike; the guarded ones run over sealed policies, the unguarded one over none.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, func, make_url, select

from tenantguard import bind, guard
from tenantguard.postgres import Roles, RowSecurity, Seal, install
from tests.models import Call, create_schema, make_tenancy, seed
from tests.servers import running

ROLES = Roles("flights_app", maintenance="flights_maintenance")
SEAL = Seal(b"a key that stands in benchmarks alone")
STATEMENT = select(Call.id, Call.note).where(Call.id == 1)
WARM = 30


class _Answers(asyncio.Protocol):
    """The server's side of a connection: what it answers goes on at once."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._client.close()


class _Asks(asyncio.Protocol):
    """A client's side of a connection: what it sends arrives later."""

    def __init__(self, connect: Callable[[Any], Any], delay: float) -> None:
        self._connect, self._delay = connect, delay
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self._made = asyncio.ensure_future(self._reach(transport))

    async def _reach(self, client: asyncio.Transport) -> None:
        self._server, _ = await self._connect(lambda: _Answers(client))
        self._server.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._send, data)

    def _send(self, data: bytes) -> None:
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._server is not None:
            self._server.close()


async def _proxy(port: Any, host: str, upstream: int, delay: float) -> None:
    loop = asyncio.get_running_loop()

    async def connect(made: Callable[[], asyncio.Protocol]) -> Any:
        if host.startswith("/"):
            return await loop.create_unix_connection(made, f"{host}/.s.PGSQL.{upstream}")
        return await loop.create_connection(made, host, upstream)

    server = await loop.create_server(lambda: _Asks(connect, delay), "127.0.0.1", 0)
    port.value = server.sockets[0].getsockname()[1]
    await server.serve_forever()


def _serve(port: Any, host: str, upstream: int, delay: float) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_proxy(port, host, upstream, delay))


@contextmanager
def delayed(url: URL, seconds: float) -> Iterator[Callable[[URL], URL]]:
    """Yield what leads a URL through a proxy that delays each flight, where there is a delay."""
    if not seconds:
        yield lambda other: other
        return
    port = multiprocessing.Value("i", 0)
    host = url.host or str(url.query.get("host", "127.0.0.1"))
    process = multiprocessing.Process(target=_serve, args=(port, host, url.port or 5432, seconds))
    process.start()
    try:
        while not port.value:
            time.sleep(0.01)
        yield lambda other: other.set(host="127.0.0.1", port=port.value, query={})
    finally:
        process.terminate()
        process.join()


def _by_hand(engine: Engine) -> Engine:
    """Tell the tenant as libraries do: by a statement of its own when a transaction has begun."""

    @event.listens_for(engine, "begin")
    def _tell(connection: Any) -> None:
        process = connection.connection.driver_connection.info.backend_pid
        values = {"tenantguard.tenant": "acme", "tenantguard.seal": SEAL.sign("acme", process)}
        connection.execute(select(*(func.set_config(name, value, True) for name, value in values.items())))

    return engine


def engines(url: URL, through: Callable[[URL], URL]) -> dict[str, Engine]:
    """Return an engine for each way."""
    application = through(url.set(username=ROLES.application))

    def guarded(flights: Any) -> Engine:
        said = RowSecurity(SEAL, flights=flights)
        return guard(create_engine(application), make_tenancy(), row_security=said)

    return {
        "unguarded": create_engine(through(url)),
        "guarded, no row security": guard(create_engine(through(url)), make_tenancy(), row_security=False),
        "by hand": _by_hand(create_engine(application)),
        "begin": guarded("begin"),
        "pipeline": guarded("pipeline"),
    }


def once(engine: Engine) -> float:
    """Return how many seconds a transaction took."""
    begun = time.perf_counter()
    with engine.connect() as connection:
        connection.execute(STATEMENT).all()
        connection.commit()
    return time.perf_counter() - begun


def measured(url: URL, seconds: float, rounds: int) -> dict[str, float]:
    """Return the median of each way, in seconds."""
    with delayed(url, seconds) as through, bind("acme"):
        made = engines(url, through)
        taken: dict[str, list[float]] = {name: [] for name in made}
        for number in range(rounds + WARM):
            for name, engine in made.items():
                found = once(engine)
                if number >= WARM:
                    taken[name].append(found)
        for engine in made.values():
            engine.dispose()
    return {name: statistics.median(found) for name, found in taken.items()}


def main() -> None:
    """Measure on loopback and at a distance, and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flights", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--delay", type=float, nargs="+", default=[0.0, 1.0], help="milliseconds a flight")
    given = parser.parse_args()
    with running() as servers:
        url = make_url(servers.url("postgresql"))
        owner = create_engine(url)
        create_schema(owner)
        seed(owner)
        with owner.begin() as connection:
            install(connection, make_tenancy(), ROLES, seal=SEAL)
        owner.dispose()
        print("| delay, ms | way | median, µs | of unguarded |\n|---|---|---|---|")
        for delay in given.delay:
            found = measured(url, delay / 1000, given.rounds)
            for name, seconds in found.items():
                print(f"| {delay:g} | {name} | {seconds * 1e6:.0f} | {seconds / found['unguarded']:.3f} |")


if __name__ == "__main__":
    main()
