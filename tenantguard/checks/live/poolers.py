"""Poolers: whether a setting lasts for a transaction on this connection."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.checks.live.connection import first_line

_SET = text("SELECT pg_catalog.set_config('tenantguard.probe', 'held', true)")
_GET = text("SELECT pg_catalog.current_setting('tenantguard.probe', true)")


def pooling(connection: Connection) -> Iterator[Finding]:
    """Yield a finding if a transaction's setting is gone at its next statement."""
    try:
        with connection.begin_nested():
            connection.execute(_SET)
            held = connection.execute(_GET).scalar()
    except SQLAlchemyError as error:
        held = first_line(error)
    if held != "held":
        told = held or "it is gone"
        yield finding_of("TG419", "the database", f"a setting does not last for its transaction: {told}")


def without_transactions(told: str) -> Iterator[Finding]:
    """Yield the findings without transactions: the pooler's mode, and that nothing else was checked."""
    yield finding_of("TG419", "the database", told)
    yield finding_of(
        "TG904",
        "the database",
        "the database was not compared, because it does not keep a transaction on one connection",
    )
