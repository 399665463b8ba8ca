"""Snapshots of an access review: its rows, the decisions and who made them, and what is new since the last one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tenantguard.errors import ConfigurationError

Decision = Literal["keep", "remove"]


@dataclass(frozen=True)
class Row:
    """One way of access: who can reach what, by which means, and the decision about it.

    Attributes:
        kind: ``person``, ``actor``, ``bypass`` or ``role``.
        who: a subject, the place of a bypass, or a role of the database.
        company: the company; ``*`` for all companies.
        tables: the tables and the kind of access: ``calls (read), invoices (read, write)``.
        by: permissions, a reason, or grants.
        last: the last day or time at which it was used; empty if it never was.
        reached: the tables that were used, from a ``ReachedBook``.
        decision: ``keep`` or ``remove``, once decided.
        decided_by: the person who decided.
        decided_at: the time of the decision.
        applied_at: the time at which it was applied.
    """

    kind: str
    who: str
    company: str
    tables: str
    by: str
    last: str = ""
    reached: str = ""
    decision: Decision | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    applied_at: str | None = None

    @property
    def id(self) -> str:
        """Return the row's id; the same access has the same id in every snapshot."""
        told = json.dumps([self.kind, self.who, self.company, self.tables, self.by])
        return hashlib.sha256(told.encode()).hexdigest()[:12]


@dataclass
class Snapshot:
    """The rows of one review.

    Attributes:
        name: its name, such as ``2026-Q4``.
        taken_at: when it was taken.
        rows: the rows by id.
    """

    name: str
    taken_at: str
    rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row], now: datetime) -> Snapshot:
        """Return a snapshot of rows, named after the quarter."""
        found: dict[str, Row] = {}
        for row in sorted(rows, key=lambda one: (one.kind, one.who, one.company, one.tables, one.by)):
            held = found.get(row.id)
            found[row.id] = row if held is None or held.last < row.last else held
        return cls(f"{now.year}-Q{(now.month + 2) // 3}", now.isoformat(timespec="seconds"), found)

    def since(self, last: Snapshot) -> tuple[list[Row], list[Row]]:
        """Return the rows that are new since the last snapshot, and those that are gone."""
        return (
            [row for name, row in self.rows.items() if name not in last.rows],
            [row for name, row in last.rows.items() if name not in self.rows],
        )

    def returned(self, last: Snapshot) -> list[Row]:
        """Return the rows that should have been removed after the last snapshot, but are still here."""
        return [
            row
            for name, row in self.rows.items()
            if name in last.rows and last.rows[name].decision == "remove"
        ]

    def decide(self, name: str, decision: Decision, by: str, now: datetime) -> Row:
        """Record a decision about a row.

        Raises:
            ConfigurationError: there is no such row, nobody is named, it is their own access, or it was applied.
        """
        row = self.rows.get(name)
        if row is None:
            raise ConfigurationError(f"{self.name} has no row {name!r}")
        if not by.strip():
            raise ConfigurationError("say who decides: --by 'Ada Lovelace'")
        if by.strip().casefold() == row.who.casefold():
            raise ConfigurationError(f"{by} cannot decide on their own access; let somebody else do it")
        if row.applied_at is not None:
            raise ConfigurationError(
                f"row {name} was applied at {row.applied_at} and can no longer be changed"
            )
        decided = replace(
            row, decision=decision, decided_by=by.strip(), decided_at=now.isoformat(timespec="seconds")
        )
        self.rows[name] = decided
        return decided

    def undecided(self) -> list[Row]:
        """Return the rows without a decision."""
        return [row for row in self.rows.values() if row.decision is None]

    def save(self, path: Path) -> None:
        """Write the snapshot atomically."""
        told = {"name": self.name, "taken_at": self.taken_at, "rows": list(map(asdict, self.rows.values()))}
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(json.dumps(told, indent=1))
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read a snapshot.

        Raises:
            ConfigurationError: the file is not a snapshot.
        """
        try:
            told: Any = json.loads(path.read_text())
            rows = [Row(**row) for row in told["rows"]]
            if not all(row.decision in (None, "keep", "remove") for row in rows):
                raise ValueError("a decision must be keep or remove")
            return cls(str(told["name"]), str(told["taken_at"]), {row.id: row for row in rows})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(f"{path} is not a snapshot of an access review: {error}") from error
