"""The HTML page of the observations: self-contained, most dangerous first."""

from __future__ import annotations

from html import escape

from tenantguard.adoption.observations import Danger, Observation, by_change, unbound_everywhere
from tenantguard.cli.html import STYLE, table
from tenantguard.sql.observe import Recorded

_CLASSES = {
    Danger.LEAKS: "leaked",
    Danger.REFUSED: "error",
    Danger.UNBOUND: "known-limit",
    Danger.UNKNOWN: "known-limit",
    Danger.ALIKE: "held",
}
_HEAD = "<th>place</th><th class=number>times</th><th>what to write there</th><th>what would happen, by statement</th>"


def page(found: list[Observation], recorded: Recorded) -> str:
    """Return the observations as an HTML document in which all external text is escaped."""
    groups = by_change(found)
    wanting = [group for group in groups if group[0].danger is not Danger.ALIKE]
    verdict = (
        f"{len(wanting)} place(s) may change with the guard" if wanting else "Every place works the same"
    )
    first = unbound_everywhere(found)
    lost = f" {recorded.lost} executions were not recorded, for lack of space." if recorded.lost else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>tenantguard observe</title>'
        f"<style>{STYLE}</style></head><body><h1>What the guard would change</h1>"
        f'<p class="about">Observed by {recorded.processes} process(es).{lost}</p>'
        f'<p class="verdict{" bad" * bool(wanting)}">{verdict}</p>'
        f"{first and f'<p>{escape(first)}</p>'}"
        f"{''.join(_section(danger, groups) for danger in Danger)}</body></html>\n"
    )


def _section(danger: Danger, groups: list[list[Observation]]) -> str:
    rows = [group for group in groups if group[0].danger is danger]
    if not rows:
        return ""
    unfolded = "" if danger is Danger.ALIKE else " open"
    body = table(_HEAD, "".join(map(_row, rows)))
    return f'<details{unfolded}><summary class="{_CLASSES[danger]}">{danger} ({len(rows)})</summary>{body}</details>'


def _row(group: list[Observation]) -> str:
    one = group[0]
    source = f"<br><code>{escape(one.source)}</code>" if one.source else ""
    began = f"<br>began in {escape(one.began)}" if one.began else ""
    return (
        f"<tr><td><code>{escape(one.file)}:{one.line}</code><br>{escape(one.function)}{source}{began}</td>"
        f"<td class=number>{sum(each.record.seen for each in group)}</td><td>{escape(one.remedy)}</td>"
        f"<td>{''.join(map(_statement, group))}</td></tr>"
    )


def _statement(one: Observation) -> str:
    record = one.record
    return (
        f"<details><summary>{escape(record.verb)} {escape(', '.join(record.tables))}: {escape(one.said)}</summary>"
        f"<code>{escape(record.statement)}</code></details>"
    )
