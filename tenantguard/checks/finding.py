"""Findings of ``tenantguard check``, with stable ids."""

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
        id: ``TG104``; its meaning never changes.
        name: a short name.
        severity: ``"error"`` may show rows to another tenant or stops the guard, ``"warning"`` breaks or slows
            something, ``"note"`` is for a reviewer to know.
        what: a sentence about the finding.
        why: its consequence.
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
    """One finding.

    Attributes:
        rule: its rule.
        place: a table, a column, a role, or ``file:line``.
        detail: what was found, in a sentence.
        remedy: what to do here.
        severity: the rule's severity, unless this finding differs.
        file: the source file, relative to where the command runs.
        line: the line in it.
        anchor: text that identifies this finding even if lines move; the place if there is no file.
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
        """Return 16 hexadecimal digits by which a baseline recognises the finding."""
        parts = (self.rule.id, self.file or "", self.anchor or self.place)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def order(self) -> tuple[Any, ...]:
        """Return the sort key: the worst first, then by id and place."""
        return (SEVERITIES.index(self.severity), self.rule.id, self.file or "", self.line or 0, self.place)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
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
