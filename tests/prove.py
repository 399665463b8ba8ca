"""``make prove``: start the servers and run generated programs over SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import argparse
import sys

from tenantguard.testing.prove import main
from tests.servers import BACKENDS, Backend, MissingServerError, Servers, running


def urls(servers: Servers, backends: tuple[Backend, ...]) -> list[str]:
    """Return the URLs of the databases that are to be had here, and say which one is not."""
    found = []
    for backend in backends:
        try:
            found.append("sqlite://" if backend == "sqlite" else servers.url(backend))
        except MissingServerError as error:
            print(f"{backend} is left out: {error}", file=sys.stderr)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.prove", add_help=False)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    given, rest = parser.parse_known_args()
    with running() as servers:
        status = main(["--databases", ",".join(urls(servers, tuple(given.backends))), *rest])
    sys.exit(status)
