"""The HTML page of the observations: self-contained, most dangerous first."""

from __future__ import annotations

from html import escape

from tenantguard.adoption.observations import Danger, Observation
from tenantguard.cli.html import STYLE, table
from tenantguard.sql.observe import Recorded

_CLASSES = {
    Danger.LEAKS: "leaked",
    Danger.REFUSED: "error",
    Danger.UNBOUND: "known-limit",
    Danger.UNKNOWN: "known-limit",
    Danger.ALIKE: "held",
}
_HEAD = (
    "<th>place</th><th class=number>times</th><th>what would happen</th><th>what to write there</th>"
    "<th>statement</th>"
)


def page(found: list[Observation], recorded: Recorded) -> str:
    """Return the observations as an HTML document in which all external text is escaped."""
    wanting = [one for one in found if one.danger is not Danger.ALIKE]
    verdict = (
        f"{len(wanting)} place(s) may change with the guard" if wanting else "Every place works the same"
    )
    lost = f" {recorded.lost} executions were not recorded, for lack of space." if recorded.lost else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>tenantguard observe</title>'
        f"<style>{STYLE}</style></head><body><h1>What the guard would change</h1>"
        f'<p class="about">Observed by {recorded.processes} process(es).{lost}</p>'
        f'<p class="verdict{" bad" * bool(wanting)}">{verdict}</p>'
        f"{''.join(_section(danger, found) for danger in Danger)}</body></html>\n"
    )


def _section(danger: Danger, found: list[Observation]) -> str:
    rows = [one for one in found if one.danger is danger]
    if not rows:
        return ""
    unfolded = "" if danger is Danger.ALIKE else " open"
    body = table(_HEAD, "".join(map(_row, rows)))
    return f'<details{unfolded}><summary class="{_CLASSES[danger]}">{danger} ({len(rows)})</summary>{body}</details>'


def _row(one: Observation) -> str:
    record = one.record
    source = f"<br><code>{escape(one.source)}</code>" if one.source else ""
    began = f"<br>began in {escape(one.began)}" if one.began else ""
    return (
        f"<tr><td><code>{escape(one.file)}:{one.line}</code><br>{escape(one.function)}{source}{began}</td>"
        f"<td class=number>{record.seen}</td><td>{escape(one.said)}</td><td>{escape(one.remedy)}</td>"
        f"<td><details><summary>{escape(record.verb)} {escape(', '.join(record.tables))}</summary>"
        f"<code>{escape(record.statement)}</code></details></td></tr>"
    )
