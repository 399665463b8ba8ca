"""The HTML page of a check: self-contained, with the worst findings first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape

from tenantguard.checks.finding import SEVERITIES, Finding
from tenantguard.checks.silences import Sorted
from tenantguard.cli.html import STYLE, table

_COLOURS = """
.severity-error { color: var(--bad); font-weight: 700; } .severity-warning { color: var(--odd); }
td { white-space: pre-line; }
"""


def page(told: Sorted) -> str:
    """Return the findings as an HTML document in which all external text is escaped."""
    counts = Counter(one.severity for one in told.told)
    said = ", ".join(
        f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in SEVERITIES if counts[name]
    )
    bad = " bad" * bool(counts["error"] or counts["warning"])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>tenantguard check</title>'
        f"<style>{STYLE}{_COLOURS}</style></head><body><h1>tenantguard check</h1>"
        f'<p class="verdict{bad}">{said or "No findings"}</p>{_rows(told.told)}{_meanings(told.told)}'
        f"{_folded('Silenced', [one for one, _ in told.silenced])}"
        f"{_folded('Accepted by the baseline', told.accepted)}</body></html>\n"
    )


def _rows(findings: Iterable[Finding]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{one.rule.id}">{one.rule.id}</a></td>'
        f'<td class="severity-{one.severity}">{one.severity}</td>'
        f"<td>{escape(one.place)}</td><td>{escape(one.detail)}</td><td>{escape(one.remedy)}</td></tr>"
        for one in findings
    )
    head = "".join(f"<th>{name}</th>" for name in ("id", "severity", "place", "what was found", "what to do"))
    return table(head, rows) if rows else ""


def _meanings(findings: Iterable[Finding]) -> str:
    rules = {one.rule.id: one.rule for one in findings}
    told = "".join(
        f'<div class="finding" id="{rule.id}"><p><b>{rule.id} {rule.name}</b></p><p>{escape(rule.what)}</p>'
        f"<p>{escape(rule.why)}</p></div>"
        for _, rule in sorted(rules.items())
    )
    return f"<h2>What they mean</h2>{told}" if told else ""


def _folded(title: str, findings: list[Finding]) -> str:
    if not findings:
        return ""
    return f"<details><summary>{title} ({len(findings)})</summary>{_rows(findings)}</details>"
