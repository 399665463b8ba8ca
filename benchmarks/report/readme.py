"""The part of the README that says what isolation costs, from the raw results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.summary import sentences, statements
from benchmarks.report.targets import Raw

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
HOME = "https://github.com/tenantguard/tenantguard/blob/main"
RAW_HOME = "https://raw.githubusercontent.com/tenantguard/tenantguard/main"


def section(raw: Raw, pictures: str) -> str:
    """Return the section in Markdown; the picture is linked in the directory that is named."""
    parts = ["## What it costs", " ".join(sentences(raw))]
    if statements(raw):
        parts.append(f"![One statement, warm, SQLite]({RAW_HOME}/{pictures}/summary.png)")
    one = next(iter(raw.values()))
    parts.append(
        f"Measured on {one['cores']} cores ({one['processor']}) with {one['python']} and SQLAlchemy "
        f"{one['versions']['SQLAlchemy']}. [Every case, target and miss]({HOME}/benchmarks/RESULTS.md); "
        f"[how to run it yourself]({HOME}/docs/benchmarks.md)."
    )
    return "\n\n".join(parts)


def put(readme: Path, text: str) -> None:
    """Write the section between its two marks; where only the first is there, the second is added."""
    whole = readme.read_text()
    before, mark, after = whole.partition(BEGIN)
    if not mark:
        return
    rest = after.partition(END)[2] if END in after else after
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest}")
