"""The tables that every way of isolating is measured on, and the rows in them.

Each package wants the tenant column under its own name and of its own type, so the models are made by a
function; everything else about them is the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, ForeignKey, Integer, String, Table, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

TENANTS = 10
NUMBERS = 10  # of each tenant
CALLS = int(os.environ.get("BENCH_CALLS", "1000"))  # of each tenant; fewer where each instruction is counted


@dataclass(frozen=True)
class Models:
    """Hold the mapped classes of one way of isolating.

    Attributes:
        column: the name of the tenant column.
        tenants: the ids of the tenants; the first one is who the measured statements act for.
    """

    Base: Any
    Number: Any
    Call: Any
    Tag: Any
    column: str
    tenants: tuple[Any, ...]

    @property
    def tenant(self) -> Any:
        """Return the tenant that the measured statements act for."""
        return self.tenants[0]


def string_ids() -> tuple[str, ...]:
    """Return tenant ids as text."""
    return tuple(f"company-{i}" for i in range(TENANTS))


def make_models(
    column: str = "company_id",
    tenants: tuple[Any, ...] = string_ids(),
    mixins: tuple[type, ...] = (),
    *,
    own_column: bool = True,
) -> Models:
    """Return new models.

    Args:
        column: the name of the tenant column.
        tenants: the ids of the tenants; their type is the column's.
        mixins: classes that a package wants its models to inherit.
        own_column: false where a mixin brings the tenant column.
    """
    if own_column:
        kind: Any = Integer() if isinstance(tenants[0], int) else String(40)
        mixins = (*mixins, type("Owned", (), {column: mapped_column(kind, index=True, nullable=False)}))

    class Base(DeclarativeBase):
        pass

    class Number(*mixins, Base):  # type: ignore[misc]  # bases that are only known at run time
        __tablename__ = "numbers"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[str] = mapped_column(String(20))
        label: Mapped[str] = mapped_column(String(40))

    class Call(*mixins, Base):  # type: ignore[misc]  # the same
        __tablename__ = "calls"
        id: Mapped[int] = mapped_column(primary_key=True)
        number_id: Mapped[int] = mapped_column(ForeignKey("numbers.id"), index=True)
        caller: Mapped[str] = mapped_column(String(20))
        status: Mapped[str] = mapped_column(String(10))
        seconds: Mapped[int] = mapped_column(default=0)
        number: Mapped[Any] = relationship(Number)
        tags: Mapped[list[Any]] = relationship("Tag")

    class Tag(Base):
        __tablename__ = "tags"
        call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"), primary_key=True)
        word: Mapped[str] = mapped_column(String(20), primary_key=True)

    return Models(Base, Number, Call, Tag, column, tenants)


def fill(connection: Connection, models: Models) -> None:
    """Write the rows: the same numbers and calls for each tenant, the measured tenant's first."""
    for model, rows in ((models.Number, _numbers), (models.Call, _calls), (models.Tag, _tags)):
        table: Table = model.__table__
        connection.execute(insert(table), list(rows(models)))


def _numbers(models: Models) -> Iterator[dict[str, Any]]:
    for t, tenant in enumerate(models.tenants):
        for i in range(NUMBERS):
            key = t * NUMBERS + i + 1
            yield {"id": key, "number": f"+4930{key:06}", "label": f"line {i}", models.column: tenant}


def _calls(models: Models) -> Iterator[dict[str, Any]]:
    for t, tenant in enumerate(models.tenants):
        for i in range(CALLS):
            yield {
                "id": t * CALLS + i + 1,
                "number_id": t * NUMBERS + i % NUMBERS + 1,
                "caller": f"+4917{i:07}",
                "status": "missed" if i % 4 == 0 else "answered",
                "seconds": i % 600,
                models.column: tenant,
            }


def _tags(models: Models) -> Iterator[dict[str, Any]]:
    for key in range(1, len(models.tenants) * CALLS + 1, 2):
        yield {"call_id": key, "word": "call-back"}
