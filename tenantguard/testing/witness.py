"""The witness, which records as plain values what a program sees and which errors it meets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sqlalchemy import ClauseElement, Connection, Result, Row, inspect
from sqlalchemy.engine import CursorResult, MappingResult, ScalarResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantguard.errors import TenantGuardError


@dataclass(frozen=True)
class Raised:
    """An error among the observations, compared by its class; all refusals are equal."""

    kind: str
    refused: bool
    message: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raised) and self.kind == other.kind

    def __hash__(self) -> int:
        return hash(self.kind)


class Witness:
    """The ``see`` of a program, which is called with a value and entered around a step.

    An error ends the step and is written down; what the step wrote to the database is taken back.
    """

    def __init__(self, db: Session | Connection) -> None:
        self.db = db
        self.seen: list[tuple[int, Any]] = []  # the number of the step, and what was seen in it
        self.step = 0
        self._nested: Any = None

    def __call__(self, value: Any, *, ordered: bool = False, deep: Iterable[str] = ()) -> None:
        """Write down a result, an object, or a value.

        Args:
            ordered: the order of the rows counts.
            deep: relationships that are read from each object.
        """
        self.note(plain(value, ordered, tuple(deep)))

    def note(self, value: Any) -> None:
        """Write down a plain value."""
        self.seen.append((self.step, value))

    def __enter__(self) -> None:
        self.step += 1
        if isinstance(self.db, Connection):
            self._nested = self.db.begin_nested()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None and not isinstance(error, Exception):
            return False
        if isinstance(self.db, Connection):
            self._end_nested(failed=error is not None)
        elif error is not None:
            self.db.rollback()
        if error is not None:
            self.note(raised(error))
        return True

    def _end_nested(self, *, failed: bool) -> None:
        if self._nested.is_active:
            if failed:
                self._nested.rollback()
            else:
                self._nested.commit()


def raised(error: BaseException) -> Raised:
    """Return what stands for an error."""
    kind = type(error).__name__
    if isinstance(error, DBAPIError):
        kind += f"({type(error.orig).__name__})"
    return Raised(kind, isinstance(error, TenantGuardError), str(error))


def plain(value: Any, ordered: bool = False, deep: tuple[str, ...] = ()) -> Any:
    """Return a value that can be compared: rows as tuples, objects by class and attributes."""
    if isinstance(value, CursorResult) and not value.returns_rows:
        return ("rowcount", value.rowcount)
    if isinstance(value, Result | ScalarResult | MappingResult | list):
        rows = [plain(row, ordered, deep) for row in value]
        return rows if ordered else sorted(rows, key=repr)
    if isinstance(value, Row | tuple):
        return tuple(plain(item, ordered, deep) for item in value)
    if isinstance(value, dict):
        return {key: plain(item, ordered, deep) for key, item in value.items()}
    if isinstance(value, ClauseElement):
        return "an expression that was not flushed"
    return _object(value, deep) if hasattr(value, "_sa_instance_state") else value


def _object(value: Any, deep: tuple[str, ...]) -> Any:
    state = inspect(value)
    if not state.has_identity:
        return (type(value).__name__, "in no database")
    mapper = state.mapper
    columns = {prop.key: plain(getattr(value, prop.key)) for prop in mapper.column_attrs}
    related = {name: plain(_listed(getattr(value, name))) for name in deep if name in mapper.relationships}
    return (type(value).__name__, columns, related)


def _listed(value: Any) -> Any:
    return (
        list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, set) else value
    )
