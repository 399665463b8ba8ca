"""Sending: the last step before a driver's cursor, which passes only admitted statements."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.refusals import refuse_again

# MariaDB executes what stands in /*! and in /*M!, and the others read hints in /*+
_COMMENT = re.compile(r"/\*(?!M?[!+]).*?\*/|--[^\n]*(?:\n|$)", re.DOTALL)


def sending_methods(cls: Any) -> dict[str, Any]:
    """Return a dialect's methods that reach a cursor, each of which first verifies what it sends."""
    return {
        "tg_send": cls.do_execute,
        "do_execute": _do_execute(cls.do_execute),
        "do_executemany": _do_executemany(cls.do_executemany),
        "do_execute_no_params": _do_execute_no_params(cls.do_execute_no_params),
        "_deliver_insertmanyvalues_batches": _batches(cls._deliver_insertmanyvalues_batches),
    }


def copied_parameters(context: Any) -> Any:
    """Return a copy of the parameters from before listeners see them, who may change them in place."""
    rows = [dict(row) if isinstance(row, dict) else row for row in context.parameters]
    return rows if context.executemany else rows[0]


def admit_beside(context: Any, statement: Any, parameters: Any) -> None:
    """Admit a statement that SQLAlchemy executes in addition to the context's: for a default, a sequence or a batch."""
    changeable = isinstance(parameters, dict) and is_heard(context)
    context.tg_beside = (statement, dict(parameters) if changeable else parameters)


def is_heard(context: Any) -> bool:
    """Return whether any listener could change what is sent."""
    connection = context.root_connection
    return bool(connection._has_events or connection.engine._has_events or context.dialect._has_events)


def _do_execute(method: Callable[..., Any]) -> Callable[..., Any]:
    is_plain = method is DefaultDialect.do_execute  # which calls the cursor and does nothing else

    @functools.wraps(method)
    def do_execute(self: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        try:
            usual = context.tg_kept is None and statement is context.statement
        except AttributeError:  # it was not admitted, as what a default or a sequence sends beside it
            usual = False
        if not usual:
            verify_sent(self, statement, parameters, context)
        if is_plain:
            cursor.execute(statement, parameters)
        else:
            method(self, cursor, statement, parameters, context)

    return do_execute


def _do_executemany(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def do_executemany(self: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
        verify_sent(self, statement, parameters, context)
        return method(self, cursor, statement, parameters, context)

    return do_executemany


def _do_execute_no_params(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def do_execute_no_params(self: Any, cursor: Any, statement: Any, context: Any = None) -> Any:
        verify_sent(self, statement, None, context)
        return method(self, cursor, statement, context)

    return do_execute_no_params


def _batches(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def batches(self: Any, *args: Any) -> Iterator[Any]:
        context = args[-1]
        for batch in method(self, *args):
            admit_beside(context, batch.replaced_statement, batch.replaced_parameters)
            yield batch

    return batches


def verify_sent(dialect: Any, statement: Any, parameters: Any, context: Any) -> None:
    """Refuse a statement that was not admitted, because a listener changed it or it came another way.

    A listener may add a comment.

    Args:
        dialect: the guarded dialect.
        statement: the statement to send.
        parameters: one set of parameters, several, or ``None``.
        context: SQLAlchemy's execution context, if there is one.

    Raises:
        RawSQLError: it is another statement, or has other parameters.
    """
    binding = peek()
    if not dialect.tg_guard.enforces or (binding is not None and binding.mode == "bypass"):
        return
    beside = getattr(context, "tg_beside", None)
    if beside is not None and _is_same(beside[0], statement):
        _verify_parameters(statement, beside[1], parameters)
        return
    if not hasattr(context, "tg_kept"):
        _refuse("a statement reached the driver in a way that the guard does not know", statement)
    kept = context.tg_kept
    if not _is_same(context.statement if kept is None else kept[0], statement):
        _refuse("an event listener rewrote a statement after the guard", statement)
    if parameters is not None:
        rows = context.parameters
        given = rows if context.executemany else rows[0]
        _verify_parameters(statement, given if kept is None else kept[1], parameters)


def _is_same(admitted: Any, statement: Any) -> bool:
    return statement is admitted or _without_comments(statement) == _without_comments(admitted)


def _verify_parameters(statement: Any, admitted: Any, parameters: Any) -> None:
    if not _are_same(admitted, parameters):
        _refuse("an event listener rewrote parameters after the guard", statement)


def _are_same(admitted: Any, given: Any) -> bool:
    """Compare containers by their values, because comparing two arrays gives no single result."""
    if given is admitted:
        return True
    if isinstance(admitted, dict):
        return (
            isinstance(given, dict)
            and given.keys() == admitted.keys()
            and all(_are_same(value, given[name]) for name, value in admitted.items())
        )
    if isinstance(admitted, list | tuple):
        return (
            isinstance(given, list | tuple)
            and len(given) == len(admitted)
            and all(map(_are_same, admitted, given))
        )
    return type(given) is type(admitted) and bool(given == admitted)


def _refuse(why: str, statement: Any) -> None:
    refuse_again(RawSQLError(why, kind="rewritten"), str(statement))


def _without_comments(statement: Any) -> str:
    return _COMMENT.sub("", str(statement)).strip().rstrip(";").strip()
