"""Findings of ``tenantguard check``: one row each, with an id that stays the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    Attributes:
        id: ``TG104``; it never comes to mean anything else.
        name: the same in words.
        severity: ``"error"`` may show rows to another tenant or stops the guard, ``"warning"`` breaks or slows
            something, ``"note"`` is for a reviewer to know.
        what: what is found, in a sentence.
        why: what follows from it.
        remedy: what to do.
    """

    id: str
    name: str
    severity: Severity
    what: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        rule: what kind of thing.
        place: a table, a column, a role, or ``file:line``.
        detail: what was found, in a sentence.
        remedy: what to do here.
        severity: the rule's, unless this one weighs less or more.
        file: the source file, relative to where the command runs.
        line: the line in it.
        anchor: what tells this finding from others of its rule though lines move; the place where there is no file.
    """

    rule: Rule
    place: str
    detail: str
    remedy: str = ""
    severity: Severity = "warning"
    file: str | None = None
    line: int | None = None
    anchor: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits by which a baseline knows the finding again."""
        parts = (self.rule.id, self.file or "", self.anchor or self.place)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def order(self) -> tuple[Any, ...]:
        """Return what findings are sorted by: the worst first, then by id and place."""
        return (SEVERITIES.index(self.severity), self.rule.id, self.file or "", self.line or 0, self.place)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        row: dict[str, Any] = {
            "id": self.rule.id,
            "name": self.rule.name,
            "severity": self.severity,
            "place": self.place,
            "detail": self.detail,
            "remedy": self.remedy,
            "fingerprint": self.fingerprint,
        }
        if self.file is not None:
            row |= {"file": self.file, "line": self.line}
        return row
