"""The record: every violation and every bypass becomes one event, sent to the sinks before anything is raised."""

from tenantguard.audit.events import Event, fingerprint
from tenantguard.audit.queue import QueuedSink
from tenantguard.audit.record import add_sink, notice, record, refuse, remove_sink, sinks
from tenantguard.audit.sinks import AsyncSink, LoggingSink, MemorySink, Sink

__all__ = [
    "AsyncSink",
    "Event",
    "LoggingSink",
    "MemorySink",
    "QueuedSink",
    "Sink",
    "add_sink",
    "fingerprint",
    "notice",
    "record",
    "refuse",
    "remove_sink",
    "sinks",
]
