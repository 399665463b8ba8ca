"""Observing: what the guard would do to each statement is recorded, and the statement is sent unchanged."""

from tenantguard.sql.observe.comparison import How
from tenantguard.sql.observe.engine import Observing, observed
from tenantguard.sql.observe.observer import Observer
from tenantguard.sql.observe.records import Record, Recorded, read

__all__ = ["How", "Observer", "Observing", "Record", "Recorded", "observed", "read"]
