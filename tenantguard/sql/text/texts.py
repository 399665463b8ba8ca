"""Texts: the SQL text that a guard has read, cached up to a number of bytes and gone with the guard."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from tenantguard.sql.text.fragments import Fragment, read_fragment, read_underneath
from tenantguard.sql.text.resolution.catalog import Catalog, refusal
from tenantguard.sql.text.rewrite import Rewritten, rewrite
from tenantguard.sql.text.tokens import Unreadable, family
from tenantguard.sql.text.write_targets import Written, read_written, writes
from tenantguard.tenancy import Tenancy

LONGEST_KEPT = 20_000  # characters; longer texts are read each time
_MOST_BYTES = 8 * 2**20
_BASE = 2_000  # bytes that an entry takes beside its text
_A_CHARACTER = 8  # bytes that a character of a text takes, read and composed

ValueT = TypeVar("ValueT")


class Kept:
    """A cache of answers that drops the oldest ones to stay below a number of bytes.

    Args:
        most_bytes: that number.

    Attributes:
        answers: the answers, by their keys.
        bytes: their total size.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = Lock()
        self.answers: dict[Hashable, Any] = {}
        self._sizes: dict[Hashable, int] = {}
        self.bytes = 0

    def get(self, key: Hashable, text: str, read: Callable[[], ValueT]) -> ValueT:
        """Return the answer for a key, reading it only once; an error is not kept."""
        known = self.answers.get(key, self)
        if known is not self:
            return known  # type: ignore[no-any-return]  # what was read for this key
        answer = read()
        if len(text) <= LONGEST_KEPT:
            self._keep(key, answer, _BASE + _A_CHARACTER * len(text))
        return answer

    def _keep(self, key: Hashable, answer: Any, size: int) -> None:
        with self._lock:
            if key in self.answers:
                return
            self.answers[key], self._sizes[key] = answer, size
            self.bytes += size
            while self.bytes > self._most:
                oldest = next(iter(self.answers))
                del self.answers[oldest]
                self.bytes -= self._sizes.pop(oldest)

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.answers)


class Texts:
    """The reader of one guard.

    Args:
        tenancy: how every table belongs.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self.kept = Kept()
        self._catalogs: dict[tuple[str, str | None, int], Catalog] = {}

    def rewrite(
        self, sql: str, *, dialect: str, style: str, default_schema: str | None = None, several: int = 0
    ) -> Rewritten:
        """Return a text rewritten; see ``tenantguard.sql.text.rewrite.rewrite``."""

        def read() -> Rewritten:
            catalog = self._catalog(dialect, default_schema)
            return rewrite(
                sql, tenancy=self._tenancy, dialect=dialect, style=style, several=several, catalog=catalog
            )

        return self.kept.get((sql, dialect, style, default_schema, several), sql, read)

    def fragment(self, text: str, dialect: str, *, style: str = "named", shown: bool = False) -> Fragment:
        """Return a piece of text composed anew, or with its fault."""
        read = partial(read_fragment, text, dialect, self._tenancy, style=style, shown=shown)
        return self.kept.get((text, dialect, style, shown), text, read)

    def underneath(self, sql: str, style: str) -> Fragment:
        """Return a text composed anew for a database with row security, or with its fault."""
        return self.kept.get((sql, style), sql, partial(read_underneath, sql, style, self._tenancy))

    def writes(self, sql: str, dialect: str, style: str) -> bool:
        """Tell whether a text can write."""
        return self.kept.get((sql, dialect, style), sql, partial(writes, sql, dialect, style))

    def written(self, sql: str, *, dialect: str, style: str) -> Written | None:
        """Return what a text writes, or ``None`` if it cannot be read."""
        read = partial(read_written, sql, dialect, style, self._tenancy)
        return self.kept.get(("written", sql, dialect, style), sql, read)

    def _catalog(self, dialect: str, default_schema: str | None) -> Catalog:
        try:
            which = family(dialect)
        except Unreadable as fault:
            raise refusal(str(fault)) from None
        # a table may be added to the metadata while the guard stands
        key = (which, default_schema, sum(len(metadata.tables) for metadata in self._tenancy.metadata))
        catalog = self._catalogs.get(key)
        if catalog is None:
            self._catalogs.clear()
            catalog = self._catalogs[key] = Catalog(self._tenancy, which, default_schema)
        return catalog
