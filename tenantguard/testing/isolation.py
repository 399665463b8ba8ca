"""Isolation tests of a user's own models, made from vectors and the oracle in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import registry

from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.tenancy import Tenancy
from tenantguard.testing.attack import Values, attack, chosen, given_values, laboratory, same_guard
from tenantguard.testing.vectors import Lab, Outcome, Vector, run_one
from tenantguard.testing.vectors.copies import sync_url
from tenantguard.testing.vectors.lab import Factory, mappers_of, two_tenants

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

ORACLE = "oracle"
PROGRAMS = 100  # that the oracle compares, a few seconds
SAMPLES = 3  # values that the oracle takes of each column whose values are given


def isolation_suite(
    tenancy: Tenancy,
    engine: Engine | AsyncEngine,
    *,
    groups: Collection[str] = (),
    programs: int = PROGRAMS,
    values: Values | None = None,
    tenants: tuple[TenantId, TenantId] | None = None,
    factory: Factory | None = None,
) -> Callable[..., None]:
    """Return a test function with one case per vector and per legitimate operation, and one for the oracle.

    The cases run in a database made beside that of the engine, under a guard like the engine's. An engine
    without a guard fails them. What the schema has no shape for is skipped.

    Args:
        tenancy: the schema and how it belongs.
        engine: the application's engine; its database is not touched.
        groups: the groups of vectors to run; all by default.
        programs: how many random programs the oracle compares; 0 leaves it out.
        values: for columns whose values cannot be guessed: a function, ``{"calls.code": lambda tenant, n: ...}``,
            or samples, ``{"calls.code": ["x-1", "x-2"]}``.
        tenants: the ids of the attacker and the victim, where the kit cannot make ids itself.
        factory: makes an engine for a URL as the application does; it may install the guard itself.

    Example:
        ``test_isolation = isolation_suite(tenancy, engine)`` in a test module.
    """
    cases: list[Vector | str] = [*chosen(groups)]
    if programs:
        cases.append(ORACLE)
    key = object()

    @pytest.mark.parametrize("case", cases, ids=lambda case: case if isinstance(case, str) else case.name)
    def test_isolation(case: Vector | str, tenantguard_labs: _Labs) -> None:
        """Hold against one escape, or let one legitimate operation through."""
        if isinstance(case, str):
            _consult_oracle(tenancy, engine, programs, values)
            return

        def open_lab() -> AbstractContextManager[Lab]:
            return laboratory(
                tenancy,
                engine.url,
                protect=same_guard(engine),
                values=values,
                tenants=tenants,
                factory=factory,
            )

        _run(tenantguard_labs.open(key, open_lab), case)

    return test_isolation


class _Labs:
    """The labs, one per suite, kept until the end of the session."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._labs: dict[object, Lab] = {}

    def open(self, key: object, open_lab: Callable[[], AbstractContextManager[Lab]]) -> Lab:
        """Return the suite's lab, made when it is first asked for."""
        if key not in self._labs:
            self._labs[key] = self._stack.enter_context(open_lab())
        return self._labs[key]

    def close(self) -> None:
        """Drop the databases."""
        self._stack.close()


def _run(lab: Lab, vector: Vector) -> None:
    result = run_one(lab, vector)
    if result.outcome in (Outcome.NOT_APPLICABLE, Outcome.FAULT):
        pytest.skip(
            result.detail
            if result.outcome is Outcome.NOT_APPLICABLE
            else f"fault of the kit: {result.detail}"
        )
    if result.outcome is Outcome.LIMIT:
        pytest.xfail(result.detail)
    if result.bad:
        missing = "" if lab.guarded else "no guard is installed on the engine; "
        pytest.fail(
            f"{missing}{vector.name} {result.outcome}: {result.detail} ({vector.tries})", pytrace=False
        )


def _consult_oracle(
    tenancy: Tenancy,
    engine: Engine | AsyncEngine,
    programs: int,
    values: Values | None,
) -> None:
    """Compare random programs with a database that holds one tenant alone."""
    from tenantguard.testing.campaign import prove  # here, because it needs an extra that vectors do not
    from tenantguard.testing.oracle import Oracle

    protect, first = same_guard(engine), two_tenants(tenancy, engine.dialect)[0]
    samples = {
        name: [value(first, n) for n in range(SAMPLES)] for name, value in given_values(values).items()
    }
    try:
        oracle = Oracle(
            tenancy.metadata,
            tenancy,
            _registry_of(tenancy),
            url=sync_url(engine.url),
            samples=samples,
            protect=lambda other, _: protect(other),
        )
    except ConfigurationError as error:
        pytest.skip(f"the oracle cannot be made for this schema: {error}")
    with oracle:
        tally = prove(oracle, programs=programs)
    if tally.disagreements:
        pytest.fail(
            f"{tally.disagreements} of {tally.programs} programs disagree:\n{tally.reports[0]}", pytrace=False
        )


def _registry_of(tenancy: Tenancy) -> registry | None:
    """Return the registry that maps most of the tables, for programs of the ORM; ``None`` where none does."""
    found = Counter(mapper.registry for mapper in mappers_of(tenancy))
    return found.most_common(1)[0][0] if found else None


def assert_isolated(
    tenancy: Tenancy,
    engine: Engine | AsyncEngine,
    *,
    groups: Collection[str] = (),
    names: Collection[str] = (),
    values: Values | None = None,
    tenants: tuple[TenantId, TenantId] | None = None,
    factory: Factory | None = None,
    every_table: bool = False,
) -> None:
    """Run vectors and legitimate operations on a copy of the schema, under a guard like the engine's.

    Args:
        tenancy: the schema and how it belongs.
        engine: the application's engine; its database is not touched.
        groups: the groups of vectors to run, and
        names: single vectors; all where neither is said.
        values: for columns whose values cannot be guessed: functions, or lists of samples.
        tenants: the ids of the attacker and the victim, where the kit cannot make ids itself.
        factory: makes an engine for a URL as the application does; it may install the guard itself.
        every_table: run each vector on every table that it fits, not only on the one that suits it best.

    Raises:
        AssertionError: something leaked or broke; every such vector is listed.
    """
    with laboratory(
        tenancy, engine.url, protect=same_guard(engine), values=values, tenants=tenants, factory=factory
    ) as lab:
        report = attack(lab, chosen(groups, names), every_table=every_table)
    if not report.passed:
        raise AssertionError(f"{report.verdict} ({report.dialect}){report.listed()}")
