"""Attacks on the kit's own models: every vector on a database of the tests, with the guard on or off."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Engine

from tenantguard import guard
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.vectors import Outcome, models
from tests.servers import Backend, Database

Make = Callable[[Backend, str], Database]
Run = Callable[[Backend, str], Report]

HELD = {Outcome.HELD, Outcome.REFUSED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}


def off(engine: Any) -> Any:
    """Leave the guard off."""
    return engine


def on(engine: Any) -> Any:
    """Guard an engine by the kit's own tenancy."""
    return guard(engine, models.tenancy)


def _rewriting(engine: Any) -> Any:
    return guard(engine, models.tenancy, raw_sql="rewrite")


_MODES: dict[str, Callable[[Engine], Engine]] = {"off": off, "on": on, "rewrite": _rewriting}


@contextmanager
def runs(make_database: Make) -> Iterator[Run]:
    """Yield what runs every vector on a database in a mode, once however often it is asked."""

    @cache
    def run(backend: Backend, mode: str) -> Report:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            database = make_database(backend, "vectors")
            groups = ("raw SQL",) if mode == "rewrite" else ()
            with laboratory(models.tenancy, database.url, protect=_MODES[mode]) as lab:
                return attack(lab, chosen(groups))

    yield run
    run.cache_clear()


def others(report: Report, wanted: set[Outcome], *, legitimate: bool = False) -> dict[str, str]:
    """Return what ended otherwise, with the detail."""
    return {
        result.vector.name: f"{result.outcome}: {result.detail}"
        for result in report.results
        if result.vector.legitimate == legitimate and result.outcome not in wanted
    }
