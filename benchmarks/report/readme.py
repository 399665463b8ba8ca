"""The part of the README that shows what isolation costs: two pictures and their figures, from the raw results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.locust.kinds import ALONE, HAND, NOTHING, OURS
from benchmarks.locust.table import by_kind, rates
from benchmarks.micro.run import BASE
from benchmarks.micro.table import found, ratios
from benchmarks.micro.variants import SQLITE
from benchmarks.report.plots import DATABASES
from benchmarks.report.targets import Raw

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
SHOWN = "orm_by_key"


def section(raw: Raw, pictures: str) -> str:
    """Return the section in Markdown; pictures are linked in the directory that is named."""
    parts = ["## What it costs"]
    if "micro" in raw:
        parts += [*_statement(raw["micro"]), f"![One statement, warm]({pictures}/micro_sqlite_warm.png)"]
    if "locust" in raw:
        parts += [*_servers(raw["locust"]), f"![The example under load]({pictures}/locust.png)"]
    one = next(iter(raw.values()))
    parts.append(
        f"Measured on {one['cores']} cores ({one['processor']}) with {one['python']} and SQLAlchemy "
        f"{one['versions']['SQLAlchemy']}. Every case, target and miss is in "
        "[benchmarks/RESULTS.md](benchmarks/RESULTS.md); [docs/benchmarks.md](docs/benchmarks.md) says how to run it "
        "yourself, and why the comparison is fair."
    )
    return "\n\n".join(parts)


def _statement(raw: dict[str, Any]) -> Iterator[str]:
    for backend, case, cold, by_variant in found(raw):
        against = ratios(by_variant, BASE)
        if (backend, case, cold) == (SQLITE, SHOWN, False) and {OURS, HAND} <= against.keys():
            yield (
                "The guard works while a statement is compiled, which happens once. After that, an ORM select by key "
                f"costs {against[OURS].value:.2f} times what it costs with no isolation at all; with the filter "
                f"written by hand it costs {against[HAND].value:.2f} times."
            )


def _servers(raw: dict[str, Any]) -> Iterator[str]:
    told = []
    for backend in dict.fromkeys(run["backend"] for run in raw["runs"]):
        runs = by_kind(raw, backend)
        hand, nothing = rates(runs, HAND), rates(runs, NOTHING)
        if OURS in hand and ALONE in nothing:
            told.append(
                f"{hand[OURS].value:.2f} times the requests per second of PyJWT and filters by hand, and "
                f"{nothing[ALONE].value:.2f} times those of no security on the same rows, on {DATABASES[backend]}"
            )
    if told:
        leaks = sum(run["leaks"] for run in raw["runs"])
        answers = sum(run["requests"] + run["attempts"] for run in raw["runs"])
        yield (
            f"The example application under load answers {'; '.join(told)}. Each of the {answers:,} answers was "
            f"checked for another company's data: {leaks} leaks."
        )


def put(readme: Path, text: str) -> None:
    """Write the section between its two marks; where only the first is there, the second is added."""
    whole = readme.read_text()
    before, mark, after = whole.partition(BEGIN)
    if not mark:
        return
    rest = after.partition(END)[2] if END in after else after
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest}")
