"""Every attack vector holds with the guard on, and succeeds with it off: one that cannot succeed tests nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tenantguard.testing.vectors  # noqa: F401 - fills the table
from tenantguard import guard
from tenantguard.testing.vectors import models
from tenantguard.testing.vectors.copies import fresh_database
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.run import run_all
from tenantguard.testing.vectors.table import Outcome, legitimate_operations, vectors
from tests.servers import Backend, Database

SAFE = {Outcome.HELD, Outcome.REFUSED, Outcome.NOT_APPLICABLE, Outcome.LIMIT}
LIMITS = {"cursor_of_result", "listener_on_connect"}


@pytest.mark.parametrize(
    ("backend", "raw_sql"),
    [("sqlite", "refuse"), ("sqlite", "rewrite")],
)
def test_every_vector_holds(
    make_database: Callable[[Backend, str], Database], backend: Backend, raw_sql: str
) -> None:
    """No vector leaks and none ends in an error; the known limits are those that the documentation names."""
    url = make_database(backend, "vectors").url
    with (
        fresh_database(url) as copy,
        Lab(models.tenancy, copy, lambda engine: guard(engine, models.tenancy, raw_sql=raw_sql)) as lab,  # type: ignore[arg-type]  # a Literal
    ):
        results = list(run_all(lab, vectors))
    assert [(r.vector.name, r.outcome, r.detail) for r in results if r.outcome not in SAFE] == []
    assert {r.vector.name for r in results if r.outcome is Outcome.LIMIT} <= LIMITS


@pytest.mark.parametrize("backend", ["sqlite"])
def test_every_vector_succeeds_without_the_guard(
    make_database: Callable[[Backend, str], Database], backend: Backend
) -> None:
    """With the guard off each vector that exists on the database leaks."""
    url = make_database(backend, "vectors").url
    with fresh_database(url) as copy, Lab(models.tenancy, copy, lambda engine: engine) as lab:
        results = list(run_all(lab, vectors))
    leaked = {Outcome.LEAKED, Outcome.LIMIT}
    assert [
        (r.vector.name, r.outcome, r.detail)
        for r in results
        if r.outcome not in leaked | {Outcome.NOT_APPLICABLE}
    ] == []
    assert sum(r.outcome in leaked for r in results) >= 200


@pytest.mark.parametrize("backend", ["sqlite"])
def test_legitimate_operations_work(
    make_database: Callable[[Backend, str], Database], backend: Backend
) -> None:
    """A guard that breaks what a tenant may do is no guard."""
    url = make_database(backend, "vectors").url
    with (
        fresh_database(url) as copy,
        Lab(models.tenancy, copy, lambda engine: guard(engine, models.tenancy)) as lab,
    ):
        results = list(run_all(lab, legitimate_operations))
    fine = {Outcome.HELD, Outcome.NOT_APPLICABLE}
    assert [(r.vector.name, r.outcome, r.detail) for r in results if r.outcome not in fine] == []
