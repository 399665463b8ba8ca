"""The share of the tests that every run takes: what is tried on both servers runs on one of them, each on its own.

SQLite always runs, and one of the asynchronous drivers. A test falls to a server, or to a driver, by its name, so that
every run takes the same share, and each server gets about half. ``make matrix`` runs the rest: with ``--rest`` pytest
runs what it leaves out otherwise, and with ``--whole`` everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zlib import crc32

import pytest

from tests.servers import ASYNC_DRIVERS

WHOLE = "whole"  # the fixture of tests that themselves run less than they could
_SERVERS = ("postgresql", "mariadb", *ASYNC_DRIVERS)
_SERVED = {"make_database", "servers"}  # the fixtures of tests that start a server


def falls_to(name: str, places: Sequence[str]) -> str:
    """Return the place that gets what has this name."""
    return places[crc32(name.encode()) % len(places)]


def first(values: Iterable[str], count: int = 1) -> list[Any]:
    """Return parameters of which a run takes the first, and leaves the others to ``make matrix``."""
    every = list(values)
    return [*every[:count], *(pytest.param(value, marks=pytest.mark.rest) for value in every[count:])]


def left_out(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the tests on one server that fall to another one, and those that are marked as the rest."""
    marked = {item for item in items if item.get_closest_marker("rest")}
    alike: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        for name, server in _named(item):
            alike[name][server] = item
    return marked | {
        item
        for name, by_server in alike.items()
        for server, item in by_server.items()
        if server != falls_to(name, sorted(by_server))
    }


def rest(items: Sequence[pytest.Item], out: set[pytest.Item]) -> set[pytest.Item]:
    """Return the tests of which a run takes a share: those that it leaves out, and those that ask how much to do."""
    return out | {item for item in items if WHOLE in getattr(item, "fixturenames", ())}


def _named(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Yield the name of a test that has a server among its parameters, without that, and the server."""
    given, fixtures = getattr(item, "callspec", None), getattr(item, "fixturenames", ())
    if given is None or _SERVED.isdisjoint(fixtures) or WHOLE in fixtures:
        return
    for server in [value for value in given.params.values() if value in _SERVERS][:1]:
        yield f"{item.nodeid.partition('[')[0]}[{given.id.replace(server, '')}]", server
