"""Every vector that a driver of its own can change holds through each asynchronous driver."""

from __future__ import annotations

import pytest

from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.vectors import Outcome, Vector, models
from tests.servers import ASYNC_DRIVERS
from tests.testing.attacks import HELD, Make, Shares, on, others

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

DRIVEN = ("pool", "identity map", "legitimate")  # what a driver of its own changes most
DRIVABLE = ("writes", "raw SQL", *DRIVEN)  # and what it can change


@pytest.fixture(scope="module")
def asynchronous(make_database: Make, whole: bool) -> Shares:
    """Give those vectors, shared among the drivers, in a greenlet over each."""

    def run(driver: str, vectors: list[Vector]) -> Report:
        database = make_database(ASYNC_DRIVERS[driver], "vectors")
        url = next(url for url in database.async_urls if url.startswith(f"{driver}:"))
        with laboratory(models.tenancy, url, protect=on, asynchronous=True) as lab:
            return attack(lab, vectors)

    return Shares(list(ASYNC_DRIVERS), chosen(DRIVABLE if whole else DRIVEN), run, whole=whole, half=True)


def _assert_held(report: Report) -> None:
    assert others(report, HELD) == {}
    assert others(report, {Outcome.HELD, Outcome.NOT_APPLICABLE}, legitimate=True) == {}


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_vectors_hold_through_an_asynchronous_driver(asynchronous: Shares, driver: str) -> None:
    """What falls to a driver holds, and the operations among it work."""
    _assert_held(asynchronous.of(driver))


@pytest.mark.rest  # it takes every driver
def test_every_vector_holds_through_an_asynchronous_driver(asynchronous: Shares) -> None:
    """Also what fits one of them alone."""
    _assert_held(asynchronous.every())
