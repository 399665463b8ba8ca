"""Recording before raising: the one place where an attempt becomes an event."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from tenantguard import context
from tenantguard.audit.events import Event, fingerprint, masked, now
from tenantguard.audit.queue import QueuedSink, is_asynchronous
from tenantguard.audit.sinks import AsyncSink, LoggingSink, Sink, called_by
from tenantguard.audit.where import where
from tenantguard.errors import NoTenantError, Violation
from tenantguard.principal import Principal

sinks: list[Sink] = [LoggingSink()]
AnySink = TypeVar("AnySink", bound=Sink | AsyncSink)


def add_sink(sink: AnySink) -> AnySink:
    """Add a sink for all later events and return it; an asynchronous sink gets a ``QueuedSink``."""
    sinks.append(QueuedSink(sink) if is_asynchronous(sink) else sink)  # type: ignore[arg-type]  # just asked
    return sink


def remove_sink(sink: Sink | AsyncSink) -> None:
    """Remove a sink.

    Raises:
        ValueError: it was not added.
    """
    sinks.remove(next((one for one in sinks if getattr(one, "sink", None) is sink), sink))  # type: ignore[arg-type]


def record(event: Event) -> None:
    """Send the event to every sink, even if another one fails.

    Raises:
        ExceptionGroup: one or more sinks failed.
    """
    failures: list[Exception] = []
    busy = called_by.get()
    for sink in tuple(sinks):
        if any(sink is one for one in busy):
            continue
        token = called_by.set((*busy, sink))
        try:
            _refuse_awaitable(sink(event))  # type: ignore[func-returns-value]  # some return something
        except Exception as error:
            failures.append(error)
        finally:
            called_by.reset(token)
    if failures:
        raise ExceptionGroup(f"{len(failures)} audit sink(s) failed on a {event.kind} event", failures)


def _refuse_awaitable(answer: object) -> None:
    """Refuse an awaitable returned by a plain sink: nobody would await it, and the event would be lost."""
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(
            "the sink returns an awaitable; write it as `async def sink(event)`, or call it yourself"
        )


def refuse(
    error: Violation | NoTenantError, *, reason: str | None = None, scope: Mapping[str, Any] | None = None
) -> NoReturn:
    """Record a violation or a missing binding, then raise it; the error of a failing sink becomes its cause.

    Args:
        error: the error to raise.
        reason: a reason for the record only.
        scope: the scope of a request that is refused before it is served.

    Raises:
        Violation: always, unless the error is
        NoTenantError: a missing binding.
    """
    try:
        event = _violated(error, reason) if isinstance(error, Violation) else _event(error.kind, str(error))
        record(event if scope is None else replace(event, **where(scope)))
    except ExceptionGroup as failed:
        raise error from failed
    raise error


def notice(violation: Violation, *, reason: str | None = None) -> None:
    """Record a violation that is allowed, because it was declared intentional or changed nothing."""
    record(_violated(violation, reason))


def _violated(violation: Violation, reason: str | None) -> Event:
    violation.statement = masked(violation.statement)
    return _event(
        violation.kind,
        str(violation),
        tenant=_text(violation.tenant),
        attempted=_text(violation.attempted),
        table=violation.table,
        statement=violation.statement,
        fingerprint=fingerprint(violation.statement),
        reason=reason,
    )


def _event(kind: str, message: str, **members: str | None) -> Event:
    binding = context.peek()
    principal = binding.principal if binding is not None else None
    return Event(
        time=now(),
        kind=kind,
        **_who(principal),
        request_id=context.request_id(),
        message=message,
        **where(context.served()),
        **members,
    )


def _who(principal: Principal | None) -> dict[str, str | None]:
    """Return the members of an event that name the actor and the subject."""
    if principal is None:
        return {}
    actor = principal.actor
    if actor is None:
        return {"subject": principal.subject}
    return {"subject": principal.subject, "actor": actor.subject, "acting": actor.reason}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _bypass(binding: context.Binding, opened: bool) -> None:
    outer = context.peek() if opened else binding.outer
    while outer is not None and not outer.tenants:
        outer = outer.outer  # a bypass inside a bypass: the tenant is further out
    record(
        Event(
            time=now(),
            kind="bypass_opened" if opened else "bypass_closed",
            tenant=", ".join(map(str, outer.tenants)) if outer is not None else None,
            **_who(binding.principal),
            request_id=context.request_id(),
            reason=binding.reason,
            place=binding.caller,
            **where(context.served()),
        )
    )


context.bypass_observers.append(_bypass)
