"""Formats of an access review: CSV for spreadsheets, an HTML page, and OSCAL for auditing tools."""

from __future__ import annotations

import csv
import io
import json
import uuid
from html import escape
from typing import Any

from tenantguard.review.snapshot import Row, Snapshot

COLUMNS = (
    "id",
    "kind",
    "who",
    "company",
    "tables",
    "by",
    "last",
    "reached",
    "decision",
    "decided_by",
    "decided_at",
    "applied_at",
)
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # and as wide letters
_OSCAL = "1.1.2"
_CONTROLS = (
    "ac-2",
    "ac-5",
    "ac-6",
)  # NIST SP 800-53: account management, separation of duties, least privilege
_STYLE = """
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top;
border-bottom: 1px solid #8884; } .wide { overflow-x: auto; } thead th { white-space: nowrap; }
td:nth-child(3), td:nth-child(5), td:nth-child(6) { min-width: 12rem; overflow-wrap: anywhere; }
@media print { @page { size: landscape; } body { margin: 0; font-size: 8pt; } .wide { overflow: visible; }
thead th { white-space: normal; } th, td { padding: .2rem; min-width: 0 !important; overflow-wrap: anywhere; }
tr { break-inside: avoid; } thead { display: table-header-group; } } .remove { color: #c2161c; font-weight: 700; }
"""


def cells(row: Row) -> list[str]:
    """Return a row's values for the columns."""
    return [str(getattr(row, name) or "") for name in COLUMNS]


def plain(text: str) -> str:
    """Return text without control characters: a name comes from a token, and could move the terminal's cursor."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def as_csv(snapshot: Snapshot) -> str:
    """Return the rows as CSV without formulas."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in snapshot.rows.values():
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells(row)])
    return out.getvalue()


def as_html(snapshot: Snapshot) -> str:
    """Return the rows as a self-contained HTML page."""
    title = f"Access review {escape(snapshot.name)}"
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
    body = "\n".join(
        f'<tr class="{row.decision or ""}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row))
        + "</tr>"
        for row in snapshot.rows.values()
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>Taken at {escape(snapshot.taken_at)}; "
        f"{len(snapshot.rows)} rows, {len(snapshot.undecided())} undecided.</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
        "</body></html>\n"
    )


def as_oscal(snapshot: Snapshot) -> str:
    """Return the rows as OSCAL assessment results, one observation per row."""
    controls = [{"control-id": name} for name in _CONTROLS]
    result = {
        "uuid": _uuid(snapshot.name, "result"),
        "title": f"Access review {snapshot.name}",
        "description": "Who can reach, and has reached, which companies and tables, and the decisions.",
        "start": _moment(snapshot.taken_at),
        "reviewed-controls": {"control-selections": [{"include-controls": controls}]},
        "observations": [_observation(snapshot, row) for row in snapshot.rows.values()],
    }
    if not snapshot.rows:
        del result["observations"]  # OSCAL has no empty lists
    told = {
        "assessment-results": {
            "uuid": _uuid(snapshot.name, snapshot.taken_at),
            "metadata": {
                "title": f"Access review {snapshot.name}",
                "last-modified": _moment(snapshot.taken_at),
                "version": snapshot.name,
                "oscal-version": _OSCAL,
            },
            "import-ap": {"href": "#access-review-plan"},
            "results": [result],
        }
    }
    return json.dumps(told, indent=1)


def _observation(snapshot: Snapshot, row: Row) -> dict[str, Any]:
    named = {name: _line(cell) for name, cell in zip(COLUMNS, cells(row), strict=True)}
    who, company = named["who"], named["company"]
    return {
        "uuid": _uuid(snapshot.name, row.id),
        "title": f"{row.kind} {who}",
        "description": f"{who} reaches {named['tables'] or 'no table'} of {company} by {named['by'] or 'nothing more'}",
        "props": [
            {"name": name.replace("_", "-"), "ns": "https://tenantguard.dev/ns/access", "value": value}
            for name, value in named.items()
            if value
        ],
        "methods": ["EXAMINE"],
        "collected": _moment(snapshot.taken_at),
    }


def _line(text: str) -> str:
    """Return text as one stripped line, the only form that OSCAL accepts."""
    return " ".join(text.split())


def _moment(text: str) -> str:
    return text.replace("+00:00", "Z")


def _uuid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "tenantguard:access:" + ":".join(parts)))
