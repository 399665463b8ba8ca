"""The HTML page of a report: self-contained, with the findings first and the rest folded and filterable."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tenantguard.testing.attack import Report
from tenantguard.testing.vectors import Outcome, Result

SHOWN = 10  # findings before the rest is folded
STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #16803c; --bad: #c2161c; --odd: #a15c00; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.about { opacity: .75; margin: 0 0 1rem; }
.verdict { border-left: .35rem solid var(--good); padding: .6rem 1rem; background: #8881; font-size: 1.1rem; }
.verdict.bad { border-color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: break-word; } td code { overflow-wrap: anywhere; } td details { border: 0; padding: 0; margin: 0; }
.number { text-align: right; white-space: nowrap; } thead th { font-weight: 600; }
.held, .refused { color: var(--good); } .leaked, .error { color: var(--bad); font-weight: 700; }
.known-limit, .fault-of-the-kit { color: var(--odd); font-weight: 700; } .not-applicable { opacity: .65; }
.finding { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem 1rem; margin: .6rem 0; }
.finding p { margin: .2rem 0; }
code { font-size: .9em; }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .4rem .8rem; margin: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
#filter { font: inherit; padding: .35rem .6rem; width: 100%; max-width: 24rem; }
@media screen and (max-width: 50rem) {
  .wide table { min-width: 48rem; } .listed thead { display: none; }
  .listed tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  .listed tr[hidden] { display: none; }
  .listed th, .listed td { display: block; border: 0; padding: .05rem .6rem; text-align: left; }
}
@media print {
  @page { size: landscape; }
  .wide { overflow: visible; } td { overflow-wrap: anywhere; }
  body { margin: 0; max-width: none; font-size: 9pt; } #filter, label, td details { display: none; }
  details table { font-size: 7.5pt; line-height: 1.3; } th, td { padding: .15rem .4rem; }
  details { border: 0; padding: 0; } tr, .finding { break-inside: avoid; } thead { display: table-header-group; }
}
"""
_SCRIPT = """
const box = document.getElementById("filter");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const group of document.querySelectorAll("details.group")) {
    let shown = 0;
    for (const row of group.querySelectorAll("tbody tr")) {
      row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
      shown += !row.hidden;
    }
    group.hidden = !shown;
    if (words.length) group.open = shown > 0;
  }
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(one => { one.open = true; }));
"""


def page(report: Report) -> str:
    """Return the report as an HTML document in which all external text is escaped."""
    title = f"Attack vectors on {escape(report.dialect)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{_about(report)}"
        f'<p class="verdict{"" if report.passed else " bad"}">{escape(report.verdict)}</p>'
        f"{_findings(report)}{_matrix(report)}{_tables(report)}{_empty(report)}{_results(report)}"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _about(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return f'<p class="about">{report.started:%Y-%m-%d %H:%M} UTC. {escape(versions)}</p>'


def _findings(report: Report) -> str:
    """Return the results that need attention, the worst first."""
    wanted = (Outcome.LEAKED, Outcome.ERROR, Outcome.FAULT)
    found = [result for outcome in wanted for result in report.ended(outcome)]
    if not found:
        return ""
    first, more = "".join(map(_finding, found[:SHOWN])), "".join(map(_finding, found[SHOWN:]))
    folded = f"<details><summary>{len(found) - SHOWN} more</summary>{more}</details>" if more else ""
    return f"<h2>Findings ({len(found)})</h2>{first}{folded}"


def _finding(result: Result) -> str:
    where = f"<p>On {escape(', '.join(result.tables))}.</p>" if result.tables else ""
    return (
        f'<div class="finding"><p><span class="{_class(result.outcome)}">{result.outcome}</span> '
        f"<code>{escape(result.vector.name)}</code>: {escape(result.vector.tries)}</p>"
        f"<p>{escape(result.detail)}</p>{where}</div>"
    )


def _matrix(report: Report) -> str:
    head = "".join(f'<th class="number">{outcome}</th>' for outcome in Outcome)
    rows = "".join(
        f"<tr><th>{escape(group)}</th>{''.join(_count(outcome, counts[outcome]) for outcome in Outcome)}</tr>"
        for group, counts in report.counts().items()
    )
    return f"<h2>By group</h2>{table(f'<th>group</th>{head}', rows, kind='wide')}"


def _count(outcome: Outcome, many: int) -> str:
    return f'<td class="number {_class(outcome)}">{many}</td>' if many else "<td></td>"


def _class(outcome: Outcome) -> str:
    return outcome.value.replace(" ", "-")


def _tables(report: Report) -> str:
    """Return the table of attacks per table."""
    rows = "".join(
        f"<tr><th><code>{escape(name)}</code></th><td class=number>{len(by)}</td><td>{_folded(by)}</td></tr>"
        for name, by in sorted(report.attacked().items(), key=lambda pair: (len(pair[1]), pair[0]))
    )
    return (
        f"<h2>By table</h2>{table('<th>table</th><th class=number>vectors</th><th>which</th>', rows)}"
        if rows
        else ""
    )


def _folded(names: list[str]) -> str:
    listed = ", ".join(f"<code>{escape(name)}</code>" for name in names)
    return f"<details><summary>show</summary>{listed}</details>" if names else "none was tried here"


def _empty(report: Report) -> str:
    """Return the tables on which nothing was attacked, if there are any."""
    listed = "".join(
        f"<li><code>{escape(t)}</code>: {escape(why)}</li>" for t, why in sorted(report.empty.items())
    )
    return f"<p>No rows could be made for these tables:</p><ul>{listed}</ul>" if listed else ""


def _results(report: Report) -> str:
    """Return all results in folded groups; groups with a finding are open."""
    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault("legitimate" if result.vector.legitimate else result.vector.group, []).append(
            result
        )
    parts = "".join(_group(name, results) for name, results in groups.items())
    search = (
        '<label>Filter: <input id="filter" type="search" placeholder="a name, a table, an outcome"></label>'
    )
    return f"<h2>Every vector</h2>{search}{parts}"


def _group(name: str, results: list[Result]) -> str:
    ordered = sorted(results, key=lambda result: not result.bad)
    head = "<th>outcome</th><th>vector</th><th>tries</th><th>detail</th><th>tables</th>"
    unfolded = " open" if any(result.bad for result in results) else ""
    body = table(head, "".join(map(_row, ordered)))
    return (
        f'<details class="group"{unfolded}><summary>{escape(name)} ({len(results)})</summary>{body}</details>'
    )


def _row(result: Result) -> str:
    cells: Iterable[str] = (
        f'<td class="{_class(result.outcome)}">{result.outcome}</td>',
        f"<td><code>{escape(result.vector.name)}</code></td><td>{escape(result.vector.tries)}</td>",
        f"<td>{escape(result.detail)}</td><td>{escape(', '.join(result.tables))}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def table(head: str, rows: str, *, kind: str = "listed") -> str:
    """Return a table: on a narrow screen a listed one has a cell a line, and a wide one is scrolled."""
    return f'<div class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
