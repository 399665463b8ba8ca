"""Attack a schema: run vectors and legitimate operations on a copy of it, in a database made for that."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import URL, Engine

from tenantguard.errors import TenantId
from tenantguard.sql import Guard, guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors import LEGITIMATE, VECTORS, Lab, Outcome, Result, Vector, run_one
from tenantguard.testing.vectors.alone import Alone, AloneLab
from tenantguard.testing.vectors.copies import fresh_database
from tenantguard.testing.vectors.lab import Factory
from tenantguard.testing.vectors.run import raised_by
from tenantguard.testing.vectors.seed import Value

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Protect = Callable[[Any], Any]
Values = Mapping[str, Value | Sequence[Any]]


@dataclass
class Report:
    """How every vector and every legitimate operation ended.

    Attributes:
        dialect: the database.
        results: one for each, in order.
        empty: tables that no rows could be made for, and why: nothing was attacked there.
        tables: every table of the schema, attacked or not.
        guarded: whether a guard was installed on the engine under attack.
        versions: what was attacked by what, each with its version.
        started: when, in UTC.
    """

    dialect: str
    results: list[Result] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    guarded: bool = True
    versions: dict[str, str] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def leaks(self) -> list[Result]:
        """Return what leaked."""
        return self.ended(Outcome.LEAKED)

    @property
    def errors(self) -> list[Result]:
        """Return what broke under the guard, and does not break without it."""
        return self.ended(Outcome.ERROR)

    @property
    def faults(self) -> list[Result]:
        """Return what the kit itself did wrong: these say nothing of the guard."""
        return self.ended(Outcome.FAULT)

    def ended(self, outcome: Outcome) -> list[Result]:
        """Return the results that ended in one way."""
        return [result for result in self.results if result.outcome is outcome]

    @property
    def ran(self) -> int:
        """Return how many were tried to the end."""
        unfit = (Outcome.NOT_APPLICABLE, Outcome.FAULT)
        return sum(result.outcome not in unfit for result in self.results)

    @property
    def passed(self) -> bool:
        """Tell whether something was attacked, and nothing leaked and nothing broke."""
        return bool(self.ran) and not self.leaks and not self.errors

    @property
    def verdict(self) -> str:
        """Return the sentence that a reader needs first."""
        if not self.guarded:
            through = (
                f"{len(self.leaks)} of {self.ran} vectors got through"
                if self.leaks
                else "nothing was held back"
            )
            return f"No guard is installed on the engine, and {through}: call guard(engine, tenancy)."
        if self.leaks:
            return f"The guard does not hold: {len(self.leaks)} of {self.ran} leaked."
        if self.errors:
            return (
                f"Nothing leaked, but the guard breaks {len(self.errors)} of {self.ran} that work without it."
            )
        if not self.ran:
            own = f"{len(self.faults)} vectors failed by a fault of the kit, and no other"
            why = own if self.faults else "no vector"
            return f"Nothing was attacked: {why} fits the schema. Nothing is known about the guard."
        return f"The guard holds: {self.ran} ran, nothing leaked and nothing broke."

    def listed(self) -> str:
        """Return a line for each result that is held against the guard."""
        return "".join(
            f"\n  - {result.vector.name} {result.outcome}: {result.detail}"
            for result in self.results
            if result.bad
        )

    def counts(self) -> dict[str, Counter[str]]:
        """Return how many ended in each way, by group; legitimate operations are a group of their own."""
        found: dict[str, Counter[str]] = {}
        for result in self.results:
            found.setdefault(_group(result.vector), Counter())[str(result.outcome)] += 1
        return found

    def attacked(self) -> dict[str, list[str]]:
        """Return by which vectors each table was attacked; an empty list where by none."""
        found: dict[str, list[str]] = {name: [] for name in sorted(self.tables)}
        for result in self.results:
            if not result.vector.legitimate:
                for name in result.tables:
                    found.setdefault(name, []).append(result.vector.name)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return what a file needs."""
        return {
            "dialect": self.dialect,
            "started": self.started.isoformat(timespec="seconds"),
            "versions": self.versions,
            "guarded": self.guarded,
            "passed": self.passed,
            "verdict": self.verdict,
            "empty": self.empty,
            "counts": {group: dict(counts) for group, counts in self.counts().items()},
            "attacked": self.attacked(),
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
    values: Values | None = None,
    asynchronous: bool = False,
    tenants: tuple[TenantId, TenantId] | None = None,
    factory: Factory | None = None,
) -> Iterator[Lab]:
    """Open a lab in a database made beside the one that the URL names, and drop it at the end.

    Args:
        tenancy: the schema and how it belongs.
        url: where a database may be made; nothing in what is there already is read or changed.
        protect: installs the guard; ``guard(engine, tenancy)`` by default.
        values: for columns whose values cannot be guessed: a function, ``{"calls.code": lambda tenant, n: ...}``,
            or samples, ``{"calls.code": ["x-1", "x-2"]}``.
        asynchronous: attack through the URL's asynchronous driver.
        tenants: the ids of the attacker and the victim, where the kit cannot make ids itself.
        factory: makes an engine for a URL as the application does; it may install the guard itself.
    """
    install = protect or (lambda engine: guard(engine, tenancy))
    given = given_values(values)
    options: dict[str, Any] = {"values": given, "asynchronous": asynchronous, "tenants": tenants}

    def open_control(stack: ExitStack) -> AloneLab:
        beside = stack.enter_context(fresh_database(url))
        return stack.enter_context(AloneLab(tenancy, beside, lambda engine: engine, **options))

    with (
        closing(Alone(open_control, raised_by)) as control,
        fresh_database(url) as made,
        Lab(tenancy, made, _once(install), factory=factory, control=control, **options) as lab,
    ):
        yield lab


def given_values(values: Values | None) -> dict[str, Value]:
    """Return a function for each column whose values are given; samples are counted through."""
    return {name: _counted(given) for name, given in (values or {}).items()}


def _counted(given: Value | Sequence[Any]) -> Value:
    if callable(given):
        return given
    samples = list(given)
    return lambda _tenant, n: samples[n % len(samples)]


def _once(install: Protect) -> Protect:
    """Return what guards an engine unless the application's own factory did."""
    return lambda engine: engine if guard_of(engine) is not None else install(engine)


def guard_of(engine: Engine | AsyncEngine) -> Guard | None:
    """Return the guard of an engine, or ``None`` where it has none."""
    found = getattr(engine.dialect, "tg_guard", None)
    return found if isinstance(found, Guard) else None


def same_guard(engine: Engine | AsyncEngine) -> Protect:
    """Return what protects another engine as this one is protected, be it not at all."""
    found = guard_of(engine)
    if found is None:
        return lambda other: other
    return lambda other: guard(
        other, found.tenancy, raw_sql=found.raw_sql, row_security=found.row_security or False
    )


def attack(
    lab: Lab,
    vectors: Iterable[Vector],
    progress: Callable[[Result], object] | None = None,
    *,
    every_table: bool = False,
) -> Report:
    """Run vectors one after the other and report how each ended.

    Args:
        lab: from ``laboratory``.
        vectors: from ``chosen``.
        progress: called with each result.
        every_table: run each on every table that it fits, not only on the one that suits it best.
    """
    report = Report(
        lab.dialect,
        empty=lab.seeder.empty,
        tables=sorted(table.fullname for table in lab.tables),
        guarded=lab.guarded,
        versions=_versions(lab),
    )
    for vector in vectors:
        result = run_one(lab, vector, every_table=every_table)
        report.results.append(result)
        if progress is not None:
            progress(result)
    return report


def _versions(lab: Lab) -> dict[str, str]:
    with lab.admin.connect() as connection:
        server = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    return {
        "tenantguard": version("tenantguard"),
        "SQLAlchemy": sqlalchemy.__version__,
        "Python": platform.python_version(),
        lab.dialect: server,
        "driver": lab.url.get_driver_name(),
    }
