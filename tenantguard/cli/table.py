"""The findings as text, for a terminal or a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rich.console import Console
from rich.markup import escape

from tenantguard.checks.finding import SEVERITIES
from tenantguard.checks.silences import Sorted

COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}
_PARTS = {"TG1": "models", "TG2": "source", "TG3": "database", "TG5": "lock"}


def print_findings(console: Console, told: Sorted, looked: Collection[str]) -> None:
    """Print each finding: what and where, and the remedy."""
    for one in told.told:
        colour = COLOURS[one.severity]
        head = f"[{colour}]{one.rule.id} {one.severity}[/] [bold]{escape(one.place)}[/] {one.rule.name}"
        detail = escape(one.detail).replace("\n", "\n      ")
        console.print(f"{head}\n    {detail}\n    [green]do:[/] {escape(one.remedy)}", soft_wrap=True)
    counts = Counter(one.severity for one in told.told)
    said = ", ".join(
        f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in SEVERITIES if counts[name]
    )
    more = [f"{len(told.silenced)} silenced"] * bool(told.silenced)
    more += [f"{len(told.accepted)} accepted by the baseline"] * bool(told.accepted)
    parts = ", ".join(_PARTS[name] for name in looked if name in _PARTS)
    console.print("; ".join([said or "no findings", *more, f"looked at: {parts}"]), soft_wrap=True)
    if told.told:
        console.print(f"tenantguard help {told.told[0].rule.id} explains the first", soft_wrap=True)
