"""Cut-offs in two database tables, shared by every process that verifies tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tenantguard.errors import ConfigurationError
from tenantguard.identity.cutoffs import Changes, Name
from tenantguard.identity.flights import in_asyncio

T = TypeVar("T")
_LONGEST = 1_000  # characters of an id; those of tokens and issuers have far fewer


class SQLCutOffs:
    """A store of cut-offs in the tables ``tenantguard_cutoffs`` and ``tenantguard_cutoff_generation``.

    Each cut-off takes the next generation in its own transaction, and locks that row until it commits. So a reader of
    one generation has read all earlier ones.

    Args:
        engine: an unguarded engine, synchronous or asynchronous, because cut-offs belong to no company.
        metadata: the MetaData for the tables, for migrations; a separate one by default.
        prefix: the prefix of the table names.

    Raises:
        ConfigurationError: the argument is not an engine.
    """

    def __init__(
        self, engine: Any, *, metadata: MetaData | None = None, prefix: str = "tenantguard_"
    ) -> None:
        if not isinstance(engine, Engine) and not isinstance(getattr(engine, "sync_engine", None), Engine):
            raise ConfigurationError("SQLCutOffs needs an engine: SQLCutOffs(create_engine(url))")
        self._engine = engine
        self.metadata = MetaData() if metadata is None else metadata
        self._cutoffs = Table(
            f"{prefix}cutoffs",
            self.metadata,
            Column("digest", String(64), primary_key=True),  # no collation makes two ids one
            Column("name", Text, nullable=False),
            Column("moment", Float(53), nullable=False),
            Column("changed", BigInteger, nullable=False, index=True),
        )
        self._generation = Table(
            f"{prefix}cutoff_generation",
            self.metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("number", BigInteger, nullable=False),
        )

    async def create(self) -> None:
        """Create the tables if they do not exist."""
        await self._run(
            lambda connection: self.metadata.create_all(connection, [self._cutoffs, self._generation])
        )

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Store cut-offs; for the same name, the later time wins.

        Raises:
            ConfigurationError: an id is too long.
        """
        if any(len(name.value) > _LONGEST or len(name.issuer) > _LONGEST for name in moments):
            raise ConfigurationError(
                f"an id of more than {_LONGEST} characters cannot be revoked in this store"
            )
        if not await self._run(lambda connection: self._put(connection, moments)):
            with suppress(IntegrityError):  # another process was the first
                await self._run(lambda c: c.execute(insert(self._generation).values(id=1, number=0)))
            await self._run(lambda connection: self._put(connection, moments))

    async def since(self, generation: int) -> Changes:
        """Return the changes since a generation; -1 returns everything."""
        return await self._run(lambda connection: self._since(connection, generation))

    async def purge(self, before: float) -> None:
        """Delete cut-offs before a time."""
        await self._run(lambda c: c.execute(delete(self._cutoffs).where(self._cutoffs.c.moment < before)))

    def _put(self, connection: Connection, moments: Mapping[Name, float]) -> bool:
        """Store cut-offs under the next generation; return ``False`` if there is no generation yet.

        The first generation is inserted in a separate transaction: InnoDB locks the gap of an UPDATE that matches no
        row, and two processes that insert into it would deadlock.
        """
        held = self._generation.c
        if not connection.execute(update(self._generation).values(number=held.number + 1)).rowcount:
            return False
        number = connection.scalars(select(held.number)).one()
        for name, moment in moments.items():
            text = _text(name)
            digest, held_moment = sha256(text.encode()).hexdigest(), self._cutoffs.c.moment
            here = self._cutoffs.c.digest == digest
            before = connection.scalars(select(held_moment).where(here)).one_or_none()
            values = {"moment": moment, "changed": number}
            if before is None:
                connection.execute(insert(self._cutoffs).values(digest=digest, name=text, **values))
            elif before < moment:
                connection.execute(update(self._cutoffs).where(here).values(values))
        return True

    def _since(self, connection: Connection, generation: int) -> Changes:
        number = connection.scalars(select(self._generation.c.number)).one_or_none() or 0
        if number == generation:
            return Changes(number, {})
        row = self._cutoffs.c
        rows = connection.execute(select(row.name, row.moment).where(row.changed > generation))
        return Changes(number, {Name(*json.loads(text)): moment for text, moment in rows})

    async def _run(self, work: Callable[[Connection], T]) -> T:
        """Run the work in one transaction, without blocking the event loop."""
        if not isinstance(self._engine, Engine):
            async with self._engine.begin() as connection:
                done: T = await connection.run_sync(work)
                return done
        if in_asyncio():
            return await asyncio.to_thread(self._transact, work)
        return self._transact(work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)


def _text(name: Name) -> str:
    """Return a name in characters that every database stores unchanged."""
    return json.dumps([name.kind, name.value, name.issuer])
