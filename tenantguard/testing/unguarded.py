"""Unguarded engines: statements that a tenant's test sends to one for a table of the tenancy.

A test whose application engine was replaced by an unguarded one proves nothing of isolation, and passes.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ClauseElement, Engine, Table, event
from sqlalchemy.sql import visitors

from tenantguard.context import peek
from tenantguard.tenancy import Key, Tenancy, table_key

_NAMED = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:[\"`\[]?(\w+)[\"`\]]?\.)?[\"`\[]?(\w+)", re.IGNORECASE)
_paused = 0


@contextmanager
def unwatched() -> Iterator[None]:
    """Look away for a block: the kit attacks engines without a guard on purpose."""
    global _paused
    _paused += 1
    try:
        yield
    finally:
        _paused -= 1


@dataclass(frozen=True)
class Sighting:
    """One table of a tenancy that was reached through an engine without a guard."""

    engine: str
    table: str
    bound: str

    def __str__(self) -> str:
        return (
            f"{self.engine} has no guard, and the test used {self.table} on it under {self.bound}: it worked with "
            "every tenant's rows, so it shows nothing of isolation. Test through the guarded engine. Where a test "
            'looks at the database from outside, say so: with bypass(reason="...")'
        )


@dataclass
class Watch:
    """Notice what a bound test executes on an engine that nobody guarded; use it as a context manager.

    Attributes:
        seen: what was noticed, each once.
    """

    seen: dict[Sighting, None] = field(default_factory=dict)
    _tenancies: list[Tenancy] | None = None

    def __enter__(self) -> Watch:
        event.listen(Engine, "before_cursor_execute", self._look)
        return self

    def __exit__(self, *exc: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._look)

    def _look(
        self, connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if _paused or getattr(connection.dialect, "tg_guard", None) is not None:
            return
        binding = peek()
        if binding is None or binding.bypassed:
            return
        for table in self._owned(_tables(statement, context)):
            engine = str(connection.engine.url.render_as_string())
            self.seen.setdefault(Sighting(f"the engine {engine!r}", table, repr(binding)))

    def _owned(self, keys: set[Key]) -> Iterator[str]:
        """Yield the names of those tables that some tenancy of this process says are somebody's."""
        for tenancy in self._known() if keys else ():
            for key in keys:
                placed = tenancy.find_key(key)
                if placed is not None and placed.kind != "shared":
                    yield placed.name

    def _known(self) -> list[Tenancy]:
        """Return the tenancies, found once for a test: an application keeps them wherever it likes."""
        if self._tenancies is None:
            self._tenancies = [
                one for one in gc.get_objects() if type(one) is Tenancy and not one.is_unrestricted
            ]
        return self._tenancies


def _tables(statement: str, context: Any) -> set[Key]:
    """Return the tables of a statement; of a text, those that its plain clauses name."""
    compiled = getattr(context, "compiled", None)
    construct = getattr(compiled, "statement", None)
    elements = [construct, getattr(construct, "table", None)]
    found = {
        table_key(one)
        for element in elements
        if isinstance(element, ClauseElement)
        for one in visitors.iterate(element)
        if isinstance(one, Table)
    }
    return found or {(schema or None, name) for schema, name in _NAMED.findall(statement)}
