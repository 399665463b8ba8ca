"""asyncpg: the settings are appended to ``BEGIN``, because the driver has no pipeline.

Such a message has no parameters, so the settings are literals in it.
"""

from __future__ import annotations

import functools
import secrets
from typing import Any

from tenantguard.sql.telling.literals import Settings, made


@functools.cache
def telling_connection(base: Any) -> Any:
    """Return a subclass of asyncpg's connection that takes settings along."""

    class Connection(base):  # type: ignore[misc]  # of whatever asyncpg
        """A connection whose next ``BEGIN`` makes settings.

        Attributes:
            tg_values: the settings.
            tg_padding: how many bytes of a statement the server shows.
        """

        tg_values: Settings | None = None
        tg_padding = 1024

        @property
        def tg_process(self) -> int:
            """Return the server's process."""
            return int(self.get_server_pid())

        def tg_tell(self, values: Settings, guard: Any) -> bool:
            """Append settings to the next ``BEGIN``; return whether there will be one."""
            if self.is_in_transaction():
                return False
            self.tg_values, self.tg_padding = values, guard.padding
            return True

        def _get_unique_id(self, prefix: str) -> str:
            """Return a name that no SQL can guess, to put another statement in its place for who is served next."""
            return f"__tenantguard_{prefix}_{secrets.token_hex(8)}__"

        async def execute(self, query: str, *args: Any, **kw: Any) -> str:
            """Execute a statement."""
            values = self.tg_values
            if values is not None and not args and query.startswith("BEGIN"):
                self.tg_values = None
                query = f"{query.rstrip(';')}; {made(values, self.tg_padding)}"
            return str(await super().execute(query, *args, **kw))

    return Connection
