"""Run vectors and say how each ended."""

from __future__ import annotations

import asyncio
import inspect
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError, NotSupportedError

from tenantguard.audit import sinks
from tenantguard.context import bind
from tenantguard.errors import ConfigurationError, TenantGuardError
from tenantguard.testing.vectors.judge import Leak, changed
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, Outcome, Vector


@dataclass(frozen=True)
class Result:
    """Tell how one vector ended.

    Attributes:
        vector: which.
        outcome: how.
        detail: what was learned, refused or raised, in one line.
        trace: the traceback of an error; the error itself would keep results, and their locks, alive.
    """

    vector: Vector
    outcome: Outcome
    detail: str = ""
    trace: str = ""

    @property
    def bad(self) -> bool:
        """Tell whether the guard failed: something leaked, or broke."""
        return self.outcome in (Outcome.LEAKED, Outcome.ERROR)

    def as_dict(self) -> dict[str, Any]:
        """Return what a report needs."""
        vector = {
            key: value for key, value in asdict(self.vector).items() if key in ("name", "group", "tries")
        }
        return {**vector, "outcome": str(self.outcome), "detail": self.detail}


def run_all(lab: Lab, vectors: Iterable[Vector]) -> Iterator[Result]:
    """Run vectors one after the other, each on the database as it was seeded."""
    for vector in vectors:
        yield run_one(lab, vector)


def run_one(lab: Lab, vector: Vector) -> Result:
    """Run one vector in a context of its own, judge it, and put the database back."""
    lab.start = lab.before
    with _unheard():
        result = Context().run(lab.drive, _attempt, lab, vector)
    lab.settle()
    after = lab.snapshot()
    leak = changed(lab.start, after, lab.a, lab.tenancy) if after.rows != lab.start.rows else None
    if after.rows != lab.before.rows:
        lab.reset()
    if leak is not None:
        return _leaked(vector, leak)
    return result


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep an attack out of the application's audit trail, and its warnings from everybody."""
    kept = sinks[:]
    sinks.clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sinks[:] = kept


def _attempt(lab: Lab, vector: Vector) -> Result:
    try:
        with lab.attempt():
            if vector.bound:
                with bind(lab.a):
                    return _judge(lab, vector, _call(lab, vector))
            return _judge(lab, vector, _call(lab, vector))
    except Exception as error:
        return _raised(lab, vector, error)


def _call(lab: Lab, vector: Vector) -> Any:
    if not inspect.iscoroutinefunction(vector.run):
        return vector.run(lab)
    if lab.asynchronous:
        raise NotApplicable("it makes its own event loop, and this lab has one")
    return asyncio.run(vector.run(lab))


def _judge(lab: Lab, vector: Vector, found: object) -> Result:
    leak = lab.marks.seen(found)
    return Result(vector, Outcome.HELD) if leak is None else _leaked(vector, leak)


def _leaked(vector: Vector, leak: Leak) -> Result:
    if vector.limit is not None:
        return Result(vector, Outcome.LIMIT, f"{leak.what}; {vector.limit}")
    return Result(vector, Outcome.LEAKED, leak.what)


def _raised(lab: Lab, vector: Vector, error: Exception) -> Result:
    """Sort what was raised: a refusal, a missing shape, the database's own constraint, or a finding."""
    told = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
    if isinstance(error, NotApplicable | NotSupportedError):
        return Result(vector, Outcome.NOT_APPLICABLE, str(error).splitlines()[0])
    refused = any(_is_refusal(cause) for cause in _causes(error))
    if refused and not vector.legitimate:
        return Result(vector, Outcome.REFUSED, told)
    if isinstance(error, IntegrityError) and not vector.legitimate:
        return Result(vector, Outcome.HELD, told)
    return Result(vector, Outcome.ERROR, told, "".join(traceback.format_exception(error)))


def _is_refusal(error: BaseException) -> bool:
    """Tell whether the guard said no; a fault of the set-up is not that."""
    return isinstance(error, TenantGuardError) and not isinstance(error, ConfigurationError)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, what it wraps, and the members of a group."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "orig", None)]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
