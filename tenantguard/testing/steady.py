"""Values that a clock or chance fills in when a row changes, kept equal in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ColumnDefault

from tenantguard.testing.generator.schema import Schema
from tenantguard.testing.samples import samples_of


@contextmanager
def steady(schema: Schema) -> Iterator[None]:
    """Give columns with ``onupdate=`` one value for a block: the time of a change would differ by itself."""
    columns = [info for table in schema.tables.values() for info in table.columns]
    changing = [info for info in columns if info.column.onupdate is not None]
    kept = [(info.column, info.column.onupdate) for info in changing]
    for info in changing:
        ColumnDefault(samples_of(info)[0], for_update=True)._set_parent(info.column)
    try:
        yield
    finally:
        for column, value in kept:
            column.onupdate = value
