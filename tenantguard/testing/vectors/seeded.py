"""The seeded database: filled, read and restored through an unguarded connection, beside the engine under attack."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.exc import OperationalError, StatementError

from tenantguard.errors import ConfigurationError
from tenantguard.testing.vectors.copies import create_schemas, schemas_of
from tenantguard.testing.vectors.judge import Snapshot
from tenantguard.testing.vectors.seed import Seeder, misfit

Rows = list[tuple[Table, list[dict[str, Any]]]]
Copies = Callable[[MetaData], tuple[MetaData, list[Table]]]


class SeededDatabase:
    """The database of a lab, which every vector finds as it was seeded.

    Args:
        admin: an engine without a guard.
        seeder: knows the tables, and makes the rows.
        tenants: the ids of the attacker and the victim.

    Attributes:
        rows: what every table holds whenever the database is reset.
    """

    def __init__(self, admin: Engine, seeder: Seeder, tenants: tuple[Any, Any]) -> None:
        self.rows = seeder.all_rows()
        self._admin = admin
        self._seeder = seeder
        self._tables = seeder.tables
        self._tenants = tenants
        quote = admin.dialect.identifier_preparer.format_table
        self._reads = [f"SELECT * FROM {quote(table)}" for table in self._tables]  # noqa: S608 - quoted
        self._seen: tuple[list[Any], Snapshot] | None = None

    def create(self, copies: Copies) -> Snapshot:
        """Create the tables with their rows, and return the first snapshot.

        Args:
            copies: returns what to create for a metadata, and the tables of it.
        """
        with self._admin.begin() as connection:
            create_schemas(connection, schemas_of(self._tables))
            for metadata in self._seeder.tenancy.metadata:
                made, tables = copies(metadata)
                made.create_all(connection, tables=tables)
            self._insert(connection)
        first = self.snapshot()
        self.rows = self._read_back(first)
        return first

    def snapshot(self) -> Snapshot:
        """Read the whole database; the snapshot before the attacks is returned where the rows are still those."""
        with self._admin.connect() as connection:
            raw = self._raw(connection)
            if self._seen is not None and raw == self._seen[0]:
                return self._seen[1]
            snapshot = Snapshot.take(connection, self._seeder.tenancy, self._tables, self._tenants)
            self._seen = self._seen or (raw, snapshot)
        return snapshot

    def _raw(self, connection: Connection) -> list[Any]:
        """Return every row as the driver gives it, which costs a fraction of what the rows of a snapshot do."""
        cursor: Any = connection.connection.cursor()
        if self._admin.driver == "psycopg":  # takes several statements at once
            cursor.execute("; ".join(self._reads))
            rows = [cursor.fetchall()]
            while cursor.nextset():
                rows.append(cursor.fetchall())
        else:
            rows = []
            for read in self._reads:
                cursor.execute(read)
                rows.append(list(cursor.fetchall()))
        cursor.close()
        return rows

    def settle(self) -> None:
        """Let go of results that nobody closed: on SQLite the lock of a cursor lasts as long as the cursor."""
        if self._admin.dialect.name != "sqlite":
            return
        try:
            with self._admin.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
                connection.exec_driver_sql("BEGIN EXCLUSIVE")
                connection.rollback()
        except OperationalError:
            gc.collect()

    def reset(self) -> None:
        """Put every row back as it was seeded."""
        try:
            self._put_back()
        except OperationalError:  # locks of a connection that nobody closed, and that waits to be collected
            gc.collect()
            self._put_back()

    def _put_back(self) -> None:
        dialect = self._admin.dialect
        with self._admin.begin() as connection:
            if dialect.name in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=0")
            if dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                quote = dialect.identifier_preparer.format_table
                connection.exec_driver_sql(f"TRUNCATE {', '.join(quote(t) for t in self._tables)} CASCADE")
            else:
                for table in reversed(self._tables):
                    connection.execute(table.delete())
            self._insert_alike(connection)
            if dialect.name in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS=1")

    def _insert(self, connection: Connection) -> None:
        for table, rows in self.rows:
            for row in rows:
                try:
                    connection.execute(
                        table.insert().values({table.c[key]: value for key, value in row.items()})
                    )
                except StatementError as error:
                    raise ConfigurationError(misfit(table, row, self._admin.dialect, error)) from error

    def _insert_alike(self, connection: Connection) -> None:
        """Insert what was read back: rows that name the same columns, in one statement."""
        for table, rows in self.rows:
            for _, alike in groupby(rows, key=tuple):
                connection.execute(table.insert(), list(alike))

    def _read_back(self, snapshot: Snapshot) -> Rows:
        """Return what stands there, to be put back later: defaults may give other values the next time."""
        found = []
        for table in self._tables:
            fixed = {c.key for c in table.columns if c.computed is not None}
            fixed |= {c.key for c in table.columns if c.identity is not None and c.identity.always}
            rows = [row for owned in snapshot.rows[table].values() for row in owned]
            kept = [
                {k: v for k, v in row.items() if k not in fixed} for row in self._seeder.in_order(table, rows)
            ]
            found.append((table, kept))
        return found
