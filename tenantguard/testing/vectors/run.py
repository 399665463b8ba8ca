"""Vectors are run here, and their outcomes judged."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import Context
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy.exc import IntegrityError, NotSupportedError, StatementError
from sqlalchemy.orm.exc import StaleDataError

from tenantguard.audit import sinks
from tenantguard.context import bind
from tenantguard.errors import ConfigurationError, TenantGuardError
from tenantguard.testing.unguarded import unwatched
from tenantguard.testing.vectors.alone import gist
from tenantguard.testing.vectors.judge import Leak, changed
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, Outcome, Vector

TURNS = 8  # how many candidates a vector is tried on that the first ones do not suit


@dataclass(frozen=True)
class Result:
    """How one vector ended.

    Attributes:
        vector: which.
        outcome: how.
        detail: what was learned, refused or raised, in one line.
        trace: the traceback of an error; the error itself would keep results, and their locks, alive.
        tables: the tables that it was tried on.
    """

    vector: Vector
    outcome: Outcome
    detail: str = ""
    trace: str = ""
    tables: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Tell whether the guard failed: something leaked, or broke."""
        return self.outcome in (Outcome.LEAKED, Outcome.ERROR)

    def as_dict(self) -> dict[str, Any]:
        """Return what a report needs."""
        vector = {
            key: value for key, value in asdict(self.vector).items() if key in ("name", "group", "tries")
        }
        return {**vector, "outcome": str(self.outcome), "detail": self.detail, "tables": list(self.tables)}


def run_one(lab: Lab, vector: Vector, *, every_table: bool = False) -> Result:
    """Run one vector on the tables that suit it best, and on the next best where it does not fit those.

    Args:
        lab: with the schema.
        vector: what to try.
        every_table: run it on every candidate, and return the worst outcome.
    """
    results = []
    for turn in itertools.count():
        results.append(_run(lab, vector, turn))
        last = results[-1]
        done = last.outcome is not Outcome.NOT_APPLICABLE if not every_table else last.bad
        if done or turn + 1 >= (lab.turns if every_table else min(lab.turns, TURNS)):
            break
    return _summary(results)


_WORST = (
    Outcome.LEAKED,
    Outcome.ERROR,
    Outcome.FAULT,
    Outcome.LIMIT,
    Outcome.REFUSED,
    Outcome.HELD,
    Outcome.NOT_APPLICABLE,
)


def _summary(results: list[Result]) -> Result:
    """Return the worst result, with the tables of all that ran."""
    worst = min(results, key=lambda result: _WORST.index(result.outcome))
    ran = [result for result in results if result.outcome is not Outcome.NOT_APPLICABLE]
    return replace(worst, tables=tuple(dict.fromkeys(name for result in ran for name in result.tables)))


def _run(lab: Lab, vector: Vector, turn: int) -> Result:
    """Run one vector in a context of its own, judge it, and put the database back."""
    lab.start = lab.before
    lab.at(turn)
    with unwatched(), _unheard():
        result = Context().run(lab.drive, _attempt, lab, vector)
        tables = tuple(sorted(lab.used))
        lab.seeded.settle()
        after = lab.seeded.snapshot()
        leak = changed(lab.start, after, lab.a, lab.tenancy) if after.rows != lab.start.rows else None
        if after.rows != lab.before.rows:
            lab.seeded.reset()
        if leak is not None:
            result = _leaked(vector, leak)
        elif isinstance(result, Broken):
            result = _second_opinion(lab, vector, turn, result)
    return replace(result, tables=tables)


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


@dataclass(frozen=True)
class Broken(Result):
    """What an error led to that is no refusal: it is not known yet whether the guard has to do with it."""

    error: tuple[type, str] = (Exception, "")


def raised_by(lab: Lab, vector: Vector) -> Exception | None:
    """Run a vector and return what it raised, for a comparison."""
    try:
        Context().run(lab.drive, _tried, lab, vector)
    except Exception as error:
        return error
    return None


def _attempt(lab: Lab, vector: Vector) -> Result:
    try:
        return _tried(lab, vector)
    except Exception as error:
        return _raised(vector, error)


def _tried(lab: Lab, vector: Vector) -> Result:
    with lab.attempt(), bind(lab.a) if vector.bound else nullcontext():
        return _judge(lab, vector, _call(lab, vector))


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


def _raised(vector: Vector, error: Exception) -> Result:
    """Sort what was raised: a refusal, a missing shape, the database's own constraint, or a finding."""
    causes = list(_causes(error))
    unfit = next((cause for cause in causes if isinstance(cause, NotApplicable | NotSupportedError)), None)
    if unfit is not None:
        return Result(vector, Outcome.NOT_APPLICABLE, _first_line(unfit))
    told = f"{type(error).__name__}: {_first_line(error)}"[:300]
    if any(_is_refusal(cause) for cause in causes) and not vector.legitimate:
        return Result(vector, Outcome.REFUSED, told)
    trace = "".join(traceback.format_exception(error))
    stopped = not vector.legitimate and (
        isinstance(error, IntegrityError | StaleDataError) or _is_of_the_type(error)
    )
    return Broken(vector, Outcome.HELD if stopped else Outcome.ERROR, told, trace, error=gist(error))


def _is_of_the_type(error: Exception) -> bool:
    """Tell whether a column's type refused a value: the binding's, where a tenant alone meets no such error."""
    return isinstance(error, StatementError) and isinstance(error.orig, ValueError | TypeError)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _second_opinion(lab: Lab, vector: Vector, turn: int, broken: Broken) -> Result:
    """Look whether it breaks in the same way where no guard is: then the guard has nothing to do with it.

    An escape that the database stopped is tried again among all tenants; what broke, in the world of one alone.
    """
    if broken.outcome is Outcome.HELD:
        there = _unguarded(lab, vector, turn)
    else:
        there = lab.control(vector, turn) if lab.control is not None else None
    if there is None or gist(there) != broken.error:
        return broken
    if isinstance(there, StatementError):
        detail = f"the schema or the database refuses it without a guard too: {broken.detail}"
        return Result(vector, Outcome.NOT_APPLICABLE, detail, broken.trace)
    return Result(vector, Outcome.FAULT, f"it breaks without a guard too: {broken.detail}", broken.trace)


def _unguarded(lab: Lab, vector: Vector, turn: int) -> Exception | None:
    """Run a vector on the same database without a guard, and return what it raised."""
    lab.at(turn)
    protect, lab.protect = lab.protect, lambda engine: engine
    try:
        return raised_by(lab, vector)
    finally:
        lab.protect = protect
        lab.seeded.settle()
        lab.seeded.reset()


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
