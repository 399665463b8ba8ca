"""Retrofit: adds the tenant column to a table with rows, in batches, without long locks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, Operations

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.migrations.operations import emit
from tenantguard.postgres.spelling import block, identifier, literal
from tenantguard.sql.servers.rule_policies import OWN, digest

_LONGEST = "5s"


@dataclass(frozen=True)
class Retrofit:
    """The options of a retrofit.

    Attributes:
        table: its name in SQL, with the schema if that is not in the search path.
        column: the tenant column.
        type_: its type in SQL.
        value: a query of one value, the tenant of the row ``t``.
        key: the primary key, one column.
        batch: the number of rows per batch.
        unique: whether to make the column and the key unique together, for foreign keys that include the tenant.
        lock_timeout: the maximum wait for a lock.
    """

    table: str
    column: str
    type_: str
    value: str
    key: str = "id"
    batch: int = 5000
    unique: bool = False
    lock_timeout: str = "3s"

    def __post_init__(self) -> None:
        """Refuse batches that fill nothing."""
        if type(self.batch) is not int or self.batch < 1:
            raise ConfigurationError(f"a batch is a positive number of rows, not {self.batch!r}")

    @property
    def _name(self) -> str:
        return digest(self.table, self.column)

    def statements(self) -> Iterator[str]:
        """Yield the statements; each runs in its own transactions and can be repeated."""
        column = identifier(self.column)
        check, index = f"{OWN}_{self._name}_check", f"{OWN}_{self._name}_index"
        yield self._verify()
        yield f"SET lock_timeout = {literal(self.lock_timeout)}"
        yield f"SET statement_timeout = {literal(_LONGEST)}"  # of those that nobody may wait behind
        yield f"ALTER TABLE {self.table} ADD COLUMN IF NOT EXISTS {column} {self.type_}"
        yield "SET statement_timeout = 0"  # the others take long, and let everybody read and write
        yield self._fill()
        yield block(
            f"ALTER TABLE {self.table} DROP CONSTRAINT IF EXISTS {check}; "
            f"ALTER TABLE {self.table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID;"
        )
        yield block(
            f"ALTER TABLE {self.table} VALIDATE CONSTRAINT {check};"
        )  # reads the rows, and locks none out
        yield block(  # reads no row: the check says it
            f"ALTER TABLE {self.table} ALTER COLUMN {column} SET NOT NULL; "
            f"ALTER TABLE {self.table} DROP CONSTRAINT {check};"
        )
        yield from self._index(index, "INDEX", column)
        if self.unique:
            yield from self._index(f"{index}_key", "UNIQUE INDEX", f"{column}, {identifier(self.key)}")
        yield "RESET statement_timeout"
        yield "RESET lock_timeout"

    def _verify(self) -> str:
        """Return the block that refuses a table without the key, whose error would otherwise be one of syntax."""
        said = literal(f"tenantguard: {self.table} has no column {self.key}, by which it would be filled")
        return block(
            f"IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {literal(self.table)}::regclass "
            f"AND attname = {literal(self.key)} AND attnum > 0 AND NOT attisdropped) THEN "
            f"RAISE undefined_column USING MESSAGE = {said}; END IF;"
        )

    def _index(self, name: str, kind: str, columns: str) -> Iterator[str]:
        dropped = literal(f"DROP INDEX {name}")  # one that was interrupted is there, and not valid
        yield block(
            f"IF EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass({literal(name)}) "
            f"AND NOT indisvalid) THEN EXECUTE {dropped}; END IF;"
        )
        yield f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {self.table} ({columns})"

    def _fill(self) -> str:
        """Return the block that fills the column in key order, with one transaction per batch."""
        column, key = identifier(self.column), identifier(self.key)
        empty, type_ = f"FROM {self.table} WHERE {column} IS NULL", f"{self.table}.{key}%TYPE"
        told = literal(f"tenantguard: % rows of {self.table} filled".replace("%", "%%").replace("%%", "%", 1))
        return block(
            f"DECLARE low {type_}; upto {type_}; filled bigint; done bigint := 0; BEGIN "
            f"SELECT min({key}) INTO low {empty}; WHILE low IS NOT NULL LOOP "
            f"SELECT max(b.{key}) INTO upto FROM "
            f"(SELECT {key} {empty} AND {key} >= low ORDER BY {key} LIMIT {self.batch}) AS b; "
            f"UPDATE {self.table} AS t SET {column} = ({self.value}) "
            f"WHERE t.{column} IS NULL AND t.{key} >= low AND t.{key} <= upto; "
            f"GET DIAGNOSTICS filled = ROW_COUNT; done := done + filled; COMMIT; RAISE NOTICE {told}, done; "
            f"SELECT min({key}) INTO low {empty} AND {key} > upto; END LOOP; END;"
        )


@Operations.register_operation("retrofit_tenancy")
class RetrofitTenancyOp(MigrateOperation):
    """The operation that adds a tenant column to a table with rows."""

    def __init__(self, retrofit: Retrofit) -> None:
        self.retrofit = retrofit

    @classmethod
    def retrofit_tenancy(
        cls,
        operations: Operations,
        table: str,
        *,
        column: str,
        type_: str,
        value: str,
        key: str = "id",
        batch: int = 5000,
        unique: bool = False,
        lock_timeout: str = "3s",
    ) -> Any:
        """Add the tenant column to a table, fill it in batches, make it NOT NULL, and index it.

        Args:
            operations: Alembic's.
            table: the table's name, as SQL has it.
            column: the tenant column.
            type_: its type, as SQL has it.
            value: a query of one value, the tenant of the row ``t``.
            key: the primary key, one column.
            batch: how many rows are filled in one transaction.
            unique: make the column and the key unique together, for foreign keys that include the tenant.
            lock_timeout: how long a lock is waited for.
        """
        return operations.invoke(cls(Retrofit(table, column, type_, value, key, batch, unique, lock_timeout)))


@Operations.implementation_for(RetrofitTenancyOp)
def _execute(operations: Any, operation: RetrofitTenancyOp) -> None:
    with operations.get_context().autocommit_block():
        emit(operations, operation.retrofit.statements())
