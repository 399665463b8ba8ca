"""Read replicas: every engine is guarded, and the session chooses among them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase

from tenantguard import Tenancy, guard


def make_engines(primary: str, replica: str, tenancy: Tenancy) -> tuple[Engine, Engine]:
    """Return the engine that writes, and the one that reads: each of them is guarded."""
    return guard(create_engine(primary), tenancy), guard(create_engine(replica), tenancy)


class RoutingSession(Session):
    """A session that flushes to the primary and reads from the replica."""

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **_: Any) -> Engine:
        """Return the engine for a statement."""
        primary: Engine
        replica: Engine
        primary, replica = self.info["engines"]
        writes = self._flushing or isinstance(clause, UpdateBase)
        return primary if writes else replica
