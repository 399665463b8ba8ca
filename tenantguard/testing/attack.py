"""Attack a schema: run vectors and legitimate operations on a copy of it, in a database made for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine

from tenantguard.sql import Guard, guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors import LEGITIMATE, VECTORS, Lab, Outcome, Result, Vector, run_one
from tenantguard.testing.vectors.copies import fresh_database
from tenantguard.testing.vectors.seed import Value

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Protect = Callable[[Any], Any]


@dataclass
class Report:
    """Hold how every vector and every legitimate operation ended.

    Attributes:
        dialect: the database.
        results: one for each, in order.
        empty: tables that no rows could be made for, and why: nothing was attacked there.
    """

    dialect: str
    results: list[Result] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)

    @property
    def leaks(self) -> list[Result]:
        """Return what leaked."""
        return [found for found in self.results if found.outcome is Outcome.LEAKED]

    @property
    def errors(self) -> list[Result]:
        """Return what broke: neither held nor refused."""
        return [found for found in self.results if found.outcome is Outcome.ERROR]

    @property
    def passed(self) -> bool:
        """Tell whether nothing leaked and nothing broke."""
        return not self.leaks and not self.errors

    def counts(self) -> dict[str, Counter[str]]:
        """Return how many ended in each way, by group; legitimate operations are a group of their own."""
        found: dict[str, Counter[str]] = {}
        for result in self.results:
            group = "legitimate" if result.vector.legitimate else result.vector.group
            found.setdefault(group, Counter())[str(result.outcome)] += 1
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return what a file needs."""
        return {
            "dialect": self.dialect,
            "passed": self.passed,
            "empty": self.empty,
            "counts": {group: dict(counts) for group, counts in self.counts().items()},
            "results": [result.as_dict() for result in self.results],
        }


def chosen(groups: Collection[str] = (), names: Collection[str] = ()) -> list[Vector]:
    """Return the vectors of some groups or names, legitimate operations last; all where nothing is said."""
    every = [*VECTORS, *LEGITIMATE]
    if not groups and not names:
        return every
    return [vector for vector in every if _group(vector) in groups or vector.name in names]


def _group(vector: Vector) -> str:
    return "legitimate" if vector.legitimate else vector.group


@contextmanager
def laboratory(
    tenancy: Tenancy,
    url: str | URL,
    *,
    protect: Protect | None = None,
    values: Mapping[str, Value] | None = None,
    asynchronous: bool = False,
) -> Iterator[Lab]:
    """Open a lab in a database made beside the one that the URL names, and drop it at the end.

    Args:
        tenancy: the schema and how it belongs.
        url: where a database may be made; nothing in what is there already is read or changed.
        protect: installs the guard; ``guard(engine, tenancy)`` by default.
        values: for columns whose values cannot be guessed: ``{"calls.code": lambda tenant, n: ...}``.
        asynchronous: attack through the URL's asynchronous driver.
    """
    install = protect or (lambda engine: guard(engine, tenancy))
    with (
        fresh_database(url) as made,
        Lab(tenancy, made, install, values=values, asynchronous=asynchronous) as lab,
    ):
        yield lab


def same_guard(engine: Engine | AsyncEngine) -> Protect:
    """Return what protects another engine as this one is protected, be it not at all."""
    found = getattr(engine.dialect, "tg_guard", None)
    if not isinstance(found, Guard):
        return lambda other: other
    return lambda other: guard(other, found.tenancy, raw_sql=found.raw_sql)


def attack(lab: Lab, vectors: Iterable[Vector], progress: Callable[[Result], object] | None = None) -> Report:
    """Run vectors one after the other and report how each ended.

    Args:
        lab: from :func:`laboratory`.
        vectors: from :func:`chosen`.
        progress: told of each result as it comes.
    """
    report = Report(lab.dialect, empty=lab.seeder.empty)
    for vector in vectors:
        result = run_one(lab, vector)
        report.results.append(result)
        if progress is not None:
            progress(result)
    return report
