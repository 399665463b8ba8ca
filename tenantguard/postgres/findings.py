"""Findings about a database, one per fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One difference from the tenancy.

    Attributes:
        name: a stable name of the fault.
        severity: an ``"error"`` may show rows to another tenant; a ``"warning"`` costs time or breaks a statement.
        place: the table, role or index.
        detail: what was found, in a sentence.
        remedy: what to do.
    """

    name: str
    severity: Severity
    place: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}; {self.remedy} ({self.name})"
