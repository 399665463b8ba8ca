"""Every vector that a driver of its own can change holds through each asynchronous driver."""

from __future__ import annotations

import pytest

from tenantguard.testing.attack import attack, chosen, laboratory
from tenantguard.testing.vectors import Outcome, models
from tests.servers import ASYNC_DRIVERS
from tests.testing.attacks import HELD, Make, on, others

pytestmark = pytest.mark.filterwarnings("ignore")  # attacks leave behind what a program should not

BRIEF = ("writes", "identity map", "raw SQL", "pool", "legitimate")  # what a driver of its own can change


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_every_vector_holds_through_an_asynchronous_driver(make_database: Make, driver: str) -> None:
    """The same vectors hold in a greenlet over each asynchronous driver, and the operations work."""
    database = make_database(ASYNC_DRIVERS[driver], "vectors")
    url = next(url for url in database.async_urls if url.startswith(f"{driver}:"))
    with laboratory(models.tenancy, url, protect=on, asynchronous=True) as lab:
        report = attack(lab, chosen(BRIEF))
    assert others(report, HELD) == {}
    assert others(report, {Outcome.HELD, Outcome.NOT_APPLICABLE}, legitimate=True) == {}
