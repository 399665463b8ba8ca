"""Subjects: a file with one line a day for each person, company and set of permissions that was used."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenantguard.principal import Principal

MOST = 100_000  # lines of a day that are remembered; what is forgotten is written again


def now() -> datetime:
    return datetime.now(UTC)


class SeenBook:
    """A file of the people who used the service, for the access review; pass it to a verifier as ``seen=``.

    Several processes may share the file. It grows by one line a day for each person, company and set of permissions.

    Args:
        path: the file, with one JSON object per line.
        clock: the time; for tests.

    Example:
        >>> import tempfile
        >>> book = SeenBook(f"{tempfile.mkdtemp()}/seen.jsonl")
        >>> book(Principal("ada", "acme", frozenset({"calls:read"})))
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], datetime] = now) -> None:
        self._path, self._clock = Path(path), clock
        self._noted: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, principal: Principal) -> None:
        """Record a principal whose token was verified."""
        moment = self._clock()
        tenants = principal.tenants or ([] if principal.tenant is None else [principal.tenant])
        actor = principal.actor
        entry: dict[str, Any] = {
            "day": moment.date().isoformat(),
            "subject": principal.subject,
            "issuer": str(principal.claims.get("iss", "")),
            "companies": sorted(map(str, tenants)),
            "permissions": sorted(principal.permissions),
            "actor": None if actor is None else actor.subject,
            "reason": None if actor is None else actor.reason,
        }
        line = json.dumps(entry, sort_keys=True)
        with self._lock:
            if line in self._noted:
                return
            if len(self._noted) >= MOST:
                self._noted.clear()
            append(self._path, line)
            self._noted.add(line)


def append(path: Path, line: str) -> None:
    """Append a line in one call, so that lines of several processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)
