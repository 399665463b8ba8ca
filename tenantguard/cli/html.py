"""The page of a report: one file, nothing fetched."""

from __future__ import annotations

from html import escape

from tenantguard.testing.attack import Report
from tenantguard.testing.vectors import Outcome, Result

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
.held, .refused { color: #16803c; } .leaked { color: #c2161c; font-weight: 700; }
.error, .known-limit { color: #a15c00; font-weight: 700; } .not-applicable { opacity: .6; }
code { font-size: .9em; }
"""


def page(report: Report) -> str:
    """Return the report as an HTML document; every text from the outside is escaped."""
    verdict = "Nothing leaked and nothing broke." if report.passed else "The guard does not hold."
    title = f"Attack vectors on {escape(report.dialect)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{verdict} "
        f"{len(report.results)} run, {len(report.leaks)} leaked, {len(report.errors)} broke.</p>"
        f"{_matrix(report)}{_empty(report)}{_results(report)}</body></html>\n"
    )


def _matrix(report: Report) -> str:
    head = "".join(f"<th>{outcome}</th>" for outcome in Outcome)
    rows = "".join(
        f"<tr><th>{escape(group)}</th>{''.join(_count(outcome, counts[outcome]) for outcome in Outcome)}</tr>"
        for group, counts in report.counts().items()
    )
    return f"<table><thead><tr><th>group</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _count(outcome: Outcome, many: int) -> str:
    return f'<td class="{_class(outcome)}">{many}</td>' if many else "<td></td>"


def _class(outcome: Outcome) -> str:
    return outcome.value.replace(" ", "-")


def _empty(report: Report) -> str:
    """Return the tables where nothing was attacked, if there are any."""
    listed = "".join(f"<li><code>{escape(t)}</code>: {escape(why)}</li>" for t, why in report.empty.items())
    return f"<p>No rows could be made for these tables:</p><ul>{listed}</ul>" if listed else ""


def _results(report: Report) -> str:
    """Return every result, the bad ones first."""
    ordered = sorted(report.results, key=lambda result: not result.bad)
    head = "<tr><th>outcome</th><th>vector</th><th>tries</th><th>detail</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(map(_row, ordered))}</tbody></table>"


def _row(result: Result) -> str:
    cells = f"<td><code>{escape(result.vector.name)}</code></td><td>{escape(result.vector.tries)}</td>"
    outcome = f'<td class="{_class(result.outcome)}">{result.outcome}</td>'
    return f"<tr>{outcome}{cells}<td>{escape(result.detail)}</td></tr>"
