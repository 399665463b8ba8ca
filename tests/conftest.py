"""Fixtures that every test may ask for: databases, the test models in them, and a clean record."""

from __future__ import annotations

import contextlib
import gc
import logging
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import hypothesis  # noqa: F401 - before the freeze below: it looks for what refers to the generators it is given
import psycopg
import pytest
from sqlalchemy import Pool, event

from tenantguard import context
from tenantguard.audit import MemorySink, add_sink, remove_sink
from tests.servers import ASYNC_DRIVERS, BACKENDS, Backend, Database, MissingServerError, Servers
from tests.support import shares
from tests.support.missing import skip_without

_ROOT = pytest.StashKey[Path]()
# The modules that take longest, the longest first: one that began last would leave the other workers idle.
_LONG = (
    "tests/testing/test_vectors.py",
    "tests/testing/test_sound_schemas.py",
    "tests/testing/test_oracle.py",
    "tests/testing/test_asynchronous_vectors.py",
    "tests/testing/test_unguarded_vectors.py",
    "tests/cli/test_attack.py",
    "tests/fuzz/test_fuzz.py",
    "tests/testing/test_other_schemas.py",
    "tests/testing/test_isolation.py",
    "tests/testing/test_plugin.py",
    "tests/testing/test_mechanisms.py",
    "tests/testing/test_generator.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what ``make matrix`` gives, and the mutants."""
    parser.addoption("--whole", action="store_true", help="run everything whole, on both servers")
    parser.addoption("--rest", action="store_true", help="run whole what a run takes a share of otherwise")


def pytest_configure(config: pytest.Config) -> None:
    """Make the directory that every process of this run shares."""
    given = getattr(config, "workerinput", {}).get("servers")
    config.addinivalue_line("markers", "rest: left to make matrix, as something shorter tests the same")
    config.stash[_ROOT] = Path(given) if given else Servers.of_this_process().root


@pytest.hookimpl(trylast=True)  # after -k, by which one can ask for a server
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what falls to no share of this run, and put the long modules first; the others keep their order."""
    out = shares.left_out(items)
    if config.getoption("--whole"):
        out = set()
    elif config.getoption("--rest"):
        out = set(items) - shares.rest(items, out)
    config.hook.pytest_deselected(items=[item for item in items if item in out])
    order = {name: number for number, name in enumerate(_LONG)}
    kept = [item for item in items if item not in out]
    items[:] = sorted(kept, key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the directory is."""
    node.workerinput["servers"] = str(node.config.stash[_ROOT])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers, whatever came of the tests; the workers leave that to the process above them."""
    if not hasattr(config, "workerinput") and _ROOT in config.stash:
        Servers(config.stash[_ROOT]).stop()


_REPORTED = (sqlite3.Connection, psycopg.Connection)  # where one is collected while it is open
_OPENED: list[tuple[weakref.ref[Any], Any]] = []


def _opened(connection: Any, record: Any) -> None:
    if isinstance(connection, _REPORTED):
        _OPENED.append((weakref.ref(record), connection))
    if isinstance(connection, sqlite3.Connection):
        with contextlib.suppress(sqlite3.DatabaseError):  # of a file that is no database, or is locked
            connection.execute("PRAGMA synchronous = OFF").close()


@pytest.fixture(autouse=True, scope="session")
def _close_what_was_left_open() -> Iterator[None]:
    """Hold the connections of every pool whose drivers report one that is collected while it is open.

    psycopg does, and sqlite3 from Python 3.13 on; it fails whatever test runs when the collector comes. And let SQLite
    not wait for the disk, for 30 ms at each commit: durability is not what we test.
    """
    event.listen(Pool, "connect", _opened)
    yield
    event.remove(Pool, "connect", _opened)


@pytest.fixture(autouse=True)
def _close_for_pools_that_are_gone() -> Iterator[None]:
    """Close the connections of engines that a test made and let go of, as many tests do."""
    yield
    gone = [pair for pair in _OPENED if pair[0]() is None]
    for pair in gone:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was opened in a thread of its own
            pair[1].close()
            _OPENED.remove(pair)


@pytest.fixture(autouse=True, scope="module")
def _freeze_what_stays() -> None:
    """Let the collector pass over all modules and tests, and over what earlier ones left: they cost it a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _heard() -> None:
    """Let the library's loggers be heard: servers and tools that tests start set up logging for the whole process."""
    logging.disable(logging.NOTSET)
    logging.root.setLevel(logging.WARNING)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("tenantguard") and isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(scope="session")
def whole(pytestconfig: pytest.Config) -> bool:
    """Tell whether a test runs all of what it can, and not a share."""
    return bool(pytestconfig.getoption("--whole") or pytestconfig.getoption("--rest"))


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Start no server yet, but on demand."""
    return Servers(pytestconfig.stash[_ROOT])


@pytest.fixture(scope="session")
def make_database(servers: Servers, pytestconfig: pytest.Config) -> Callable[[Backend, str], Database]:
    """Return a function that makes an empty database, or skips the test where its server is missing."""
    worker = getattr(pytestconfig, "workerinput", {}).get(
        "workerid", "main"
    )  # of pytest-xdist, where it is used

    def make(backend: Backend, name: str = "main") -> Database:
        try:
            return servers.database(backend, f"{worker}_{name}")
        except MissingServerError as error:
            skip_without(str(error))

    return make


def _database(make: Callable[[Backend, str], Database], backend: Backend, name: str) -> Iterator[Database]:
    database = make(backend, name)
    yield database
    database.close()


@pytest.fixture(params=BACKENDS)
def database(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Database]:
    """Give an empty database, of each kind in turn."""
    yield from _database(make_database, request.param, "main")


@pytest.fixture(params=list(ASYNC_DRIVERS))
def async_database(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Database]:
    """Give an empty database with one asynchronous URL, for each asynchronous driver in turn."""
    driver = cast("str", request.param)
    for database in _database(make_database, ASYNC_DRIVERS[driver], "main"):
        urls = tuple(url for url in database.async_urls if url.startswith(f"{driver}:"))
        database.async_urls = urls
        yield database


@pytest.fixture
def sqlite_database(make_database: Callable[[Backend, str], Database]) -> Iterator[Database]:
    """Give an empty SQLite database in a file."""
    yield from _database(make_database, "sqlite", "main")


@pytest.fixture
def postgresql_database(make_database: Callable[[Backend, str], Database]) -> Iterator[Database]:
    """Give an empty PostgreSQL database."""
    yield from _database(make_database, "postgresql", "main")


@pytest.fixture
def mariadb_database(make_database: Callable[[Backend, str], Database]) -> Iterator[Database]:
    """Give an empty MariaDB database."""
    yield from _database(make_database, "mariadb", "main")


@pytest.fixture(scope="module", params=BACKENDS)
def module_database(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Database]:
    """Give a database that the tests of one module share, for those that only read, or undo what they do."""
    yield from _database(make_database, request.param, "module")


@pytest.fixture
def record() -> Iterator[MemorySink]:
    """Give the audit events of this test."""
    sink = MemorySink()
    add_sink(sink)
    yield sink
    remove_sink(sink)


@pytest.fixture(autouse=True)
def _nothing_left_bound() -> Iterator[None]:
    """Fail a test that leaves a binding behind: the next one would run under it."""
    assert context.peek() is None
    yield
    assert context.peek() is None
