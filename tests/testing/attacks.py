"""Attacks on the kit's own models: vectors on a database of the tests, with the guard on or off.

A vector does much the same on each server, through each driver and on each schema. A run of the tests takes each
vector to SQLite, and half of them to a server and to a driver, each always to the same one; ``make matrix``, each to
every place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, cast

from sqlalchemy import Engine

from tenantguard import guard
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.vectors import Outcome, Result, Vector, models
from tests.servers import Backend, Database
from tests.support.shares import falls_to

Make = Callable[[Backend, str], Database]

HELD = {Outcome.HELD, Outcome.REFUSED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}


def off(engine: Any) -> Any:
    """Leave the guard off."""
    return engine


def on(engine: Any) -> Any:
    """Guard an engine by the kit's own tenancy."""
    return guard(engine, models.tenancy)


def _rewriting(engine: Any) -> Any:
    return guard(engine, models.tenancy, raw_sql="rewrite")


_MODES: dict[str, Callable[[Engine], Engine]] = {"on": on, "rewrite": _rewriting}
_SERVERS = ("postgresql", "mariadb")


class Everywhere:
    """The vectors on SQLite, and half of them on a server each, in a mode, once however often it is asked.

    Args:
        make_database: makes the databases.
        whole: run every vector on both servers.
    """

    def __init__(self, make_database: Make, *, whole: bool) -> None:
        self._make, self._whole = make_database, whole
        self.sqlite, self.servers = cache(self._sqlite), cache(self._servers)

    def on(self, backend: Backend, mode: str) -> Report:
        """Return how all vectors ended on SQLite, or its share on a server."""
        return self.sqlite(mode) if backend == "sqlite" else self.servers(mode).of(backend)

    def _sqlite(self, mode: str) -> Report:
        return self._attack(mode, "sqlite", _vectors(mode))

    def _servers(self, mode: str) -> Shares:
        return Shares(_SERVERS, _vectors(mode), partial(self._attack, mode), whole=self._whole, half=True)

    def _attack(self, mode: str, backend: str, vectors: list[Vector]) -> Report:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            database = self._make(cast("Backend", backend), "vectors")
            with laboratory(models.tenancy, database.url, protect=_MODES[mode]) as lab:
                return attack(lab, vectors)


def _vectors(mode: str) -> list[Vector]:
    return chosen(("raw SQL",) if mode == "rewrite" else ())


class Shares:
    """Attacks in several places, each vector in one where it fits.

    Args:
        places: their names.
        vectors: what is shared among them, the same way in each run.
        attack: runs vectors in a place.
        whole: run every vector in every place instead.
        half: run half of them.
    """

    def __init__(
        self,
        places: Sequence[str],
        vectors: Sequence[Vector],
        attack: Callable[[str, list[Vector]], Report],
        *,
        whole: bool,
        half: bool = False,
    ) -> None:
        self._places = places
        self._shares = [*places, *("" for _ in places)] if half else places
        self._vectors = vectors
        self._attack = attack
        self._whole = whole
        self._ran: dict[str, Report] = {}

    def _falls_to(self, vector: Vector, place: str) -> bool:
        return self._whole or falls_to(vector.name, self._shares) == place

    def of(self, place: str) -> Report:
        """Return how the share of a place ended; it runs once, however often it is asked for."""
        if place not in self._ran:
            mine = [vector for vector in self._vectors if self._falls_to(vector, place)]
            self._ran[place] = self._attack(place, mine)
        return self._ran[place]

    def every(self) -> Report:
        """Return one result for each vector, from a place where it fits; the places must run all of them."""
        best: dict[str, Result] = {}
        for place in self._places:
            _keep_fitting(best, self.of(place))
        return Report("each in its place", list(best.values()))


def _keep_fitting(best: dict[str, Result], report: Report) -> None:
    for result in report.results:
        if result.vector.name not in best or _unfit(best[result.vector.name]):
            best[result.vector.name] = result


def _unfit(result: Result) -> bool:
    return result.outcome is Outcome.NOT_APPLICABLE


def others(report: Report, wanted: set[Outcome], *, legitimate: bool = False) -> dict[str, str]:
    """Return what ended otherwise, with the detail."""
    return {
        result.vector.name: f"{result.outcome}: {result.detail}"
        for result in report.results
        if result.vector.legitimate == legitimate and result.outcome not in wanted
    }
