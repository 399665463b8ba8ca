"""A database with one tenant's rows only: what fails there too is a fault of schema or kit, not of the guard."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from sqlalchemy import DefaultClause, MetaData, Table, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.seed import tenant_column
from tenantguard.testing.vectors.shapes import key_of
from tenantguard.testing.vectors.table import Vector

Attempt = Callable[[Lab, Vector], Exception | None]
_VARIABLE = re.compile(r"0x[0-9a-f]+|[0-9a-f-]{8,}|\d+", re.IGNORECASE)


class AloneLab(Lab):
    """A lab whose database holds the attacker's rows and the shared ones; its engines are not guarded.

    The vectors know the victim's rows, which do not exist here. The tenant column has a default, which stands for
    the stamp.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.seeded.rows = [
            (table, [row for row in rows if not self._theirs(table, row)]) for table, rows in self.seeded.rows
        ]
        self.seeded.reset()

    def _theirs(self, table: Table, row: dict[str, Any]) -> bool:
        keys = [c.key for c in key_of(table)]
        return any(all(row[key] == other[key] for key in keys) for other in self.before.of(table, self.b))

    def _copies(self, metadata: MetaData) -> tuple[MetaData, list[Table]]:
        copied = MetaData(schema=metadata.schema)
        made = [table.to_metadata(copied) for table in metadata.sorted_tables if table in self.tables]
        for table in made:
            placed = self.tenancy.of(table)
            if placed.kind == "owned" and [c.name for c in table.primary_key] != [placed.column]:
                self._stamp(tenant_column(table, placed))
        return copied, made

    def stamp(self, session: Session, *_: object) -> None:
        """Fill the tenant of new objects, for which a unit of work would say NULL."""
        for new in session.new:
            mapper = inspect(new).mapper
            for table in mapper.tables:
                placed = self.tenancy.find(table)
                if placed is not None and placed.kind == "owned" and isinstance(table, Table):
                    name = mapper.get_property_by_column(tenant_column(table, placed)).key
                    if getattr(new, name) is None:
                        setattr(new, name, self.a)

    def _stamp(self, column: Any) -> None:
        dialect = self.admin.dialect
        kind = column.type.dialect_impl(dialect)
        bind, write = kind.bind_processor(dialect), kind.literal_processor(dialect)
        stored = bind(self.a) if bind is not None else self.a
        if isinstance(stored, bytes | memoryview):  # SQLAlchemy writes bytes as text, which keys are not
            literal = f"'\\x{stored.hex()}'" if dialect.name == "postgresql" else f"X'{stored.hex()}'"
        elif write is not None:
            literal = write(self.a).replace(":", "\\:")
        else:
            return
        column.server_default = DefaultClause(text(literal))


class Alone:
    """The second opinion on a vector that broke: the same in the world of one tenant alone.

    Args:
        open: makes the lab, when the first vector breaks.
        attempt: runs a vector in a lab and returns what it raised.
    """

    def __init__(self, open: Callable[[ExitStack], AloneLab], attempt: Attempt) -> None:
        self._open = open
        self._attempt = attempt
        self._stack = ExitStack()
        self._lab: AloneLab | None = None

    def __call__(self, vector: Vector, turn: int) -> Exception | None:
        """Return what the vector raises there, if anything."""
        if self._lab is None:
            self._lab = self._open(self._stack)
        self._lab.at(turn)
        event.listen(Session, "before_flush", self._lab.stamp)
        try:
            return self._attempt(self._lab, vector)
        finally:
            event.remove(Session, "before_flush", self._lab.stamp)
            self._lab.seeded.settle()
            self._lab.seeded.reset()

    def close(self) -> None:
        """Drop the database."""
        self._stack.close()


def gist(error: BaseException) -> tuple[type, str]:
    """Return what two errors have in common that differ in keys and numbers only."""
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return type(error), _VARIABLE.sub("", said.partition("\n")[0])
