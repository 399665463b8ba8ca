"""Make the report from the raw results: ``python -m benchmarks.report``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.locust.apart import table as apart_table
from benchmarks.locust.table import table as load_table
from benchmarks.micro.cases import CASES
from benchmarks.micro.instructions import table as instruction_table
from benchmarks.micro.run import BASE
from benchmarks.micro.table import table as micro_table
from benchmarks.micro.variants import VARIANTS
from benchmarks.profile import table as profile_table
from benchmarks.report import plots, readme, summary
from benchmarks.report.page import Section, markdown, page
from benchmarks.report.targets import Raw, table, targets
from benchmarks.request.__main__ import table as request_table
from benchmarks.scale.__main__ import table as scale_table

PARTS = ("micro", "instructions", "request", "locust", "apart", "scale", "profile")
TITLE = "What isolation costs"


def read(results: Path) -> Raw:
    """Return the raw results of every part that was measured."""
    return {
        part: json.loads((results / f"{part}.json").read_text())
        for part in PARTS
        if (results / f"{part}.json").exists()
    }


def sections(raw: Raw, pictures: Path) -> Iterator[Section]:
    """Yield the sections of the report, drawing its pictures into a directory."""
    figures = summary.statements(raw)
    if figures:
        picture = pictures / "summary.png"
        plots.summary([(one.what, one.guarded, one.by_hand) for one in figures], picture)
        yield Section("In short", " ".join(summary.sentences(raw)), picture=picture)
    busy = [part for part, one in raw.items() if one["load"][0] > 2 * one["cores"]]
    if busy:
        yield Section("Taken on a busy machine", f"{_SAID_BUSY} These parts were: {', '.join(busy)}.")
    yield Section("Targets", _SAID_TARGETS, table(targets(raw)))
    yield Section("How it was measured", _SAID_HOW, _facts(raw))
    for part, make in (
        ("micro", _micro),
        ("instructions", _instructions),
        ("request", _request),
        ("locust", _locust),
        ("apart", _apart),
        ("scale", _scale),
        ("profile", _profile),
    ):
        if part in raw:
            yield from make(raw[part], pictures)


def _micro(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    for backend in dict.fromkeys(one["backend"] for one in raw["series"]):
        for cold in (False, True):
            name = f"micro_{backend}_{'cold' if cold else 'warm'}.png"
            if plots.micro(raw, backend, cold=cold, path=pictures / name):
                state = "first compilation" if cold else "warm"
                yield Section(f"One statement, {state}, {backend}", picture=pictures / name)
    yield Section("One statement, every ratio", _SAID_MICRO, micro_table(raw, BASE))
    reasons = _missing(raw)
    if reasons:
        yield Section("What was not measured", table=reasons)


def _missing(raw: dict[str, Any]) -> str:
    lines = []
    for one in raw["series"]:
        if one["missing"] and not one["cold"]:
            case = CASES[one["case"]].title if one["case"] else "all"
            why = one["missing"].splitlines()[0].replace("|", "/")[:160]
            if "has no form of its own" in why:
                why = "no form of its own for it"
            lines.append(f"| {VARIANTS[one['variant']].title} | {one['backend']} | {case} | {why} |")
    return "\n".join(["| what | database | case | why |", "|---|---|---|---|", *lines]) if lines else ""


def _instructions(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    yield Section("Instructions of one statement", _SAID_INSTRUCTIONS, instruction_table(raw))


def _request(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    path = pictures / "request.png"
    plots.request(raw["inside"], path)
    yield Section("One request, in process", _SAID_REQUEST, request_table(raw["inside"], "cpu"), path)
    yield Section("One request, over HTTP, wall time", table=request_table(raw["outside"], "wall"))
    yield Section("One request, over HTTP, the server's CPU", table=request_table(raw["outside"], "cpu"))


def _locust(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    path = pictures / "locust.png"
    plots.load(raw, path)
    yield Section("The example application under load", _SAID_LOCUST, load_table(raw), path)


def _apart(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    yield Section("One request of the example, instructions", _SAID_APART, apart_table(raw))


def _scale(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    path = pictures / "scale.png"
    plots.scale(raw["curves"], path)
    yield Section("What grows and what does not", _SAID_SCALE, scale_table(raw["curves"]), path)


def _profile(raw: dict[str, Any], pictures: Path) -> Iterator[Section]:
    yield Section("Where the time goes", _SAID_PROFILE, profile_table(raw["profiles"]))


def _facts(raw: Raw) -> str:
    lines = ["| part | taken | commit | load before | command |", "|---|---|---|---|---|"]
    for part, one in raw.items():
        lines.append(f"| {part} | {one['taken']} | {one['commit']} | {one['load'][0]} | `{one['command']}` |")
    any_part = next(iter(raw.values()), None)
    if any_part is not None:
        cores = f"{any_part['cores']} cores, {any_part['memory_gb']} GB"
        machine = f"{any_part['processor']}, {cores}, {any_part['system']}"
        used = {**any_part["versions"], **raw.get("micro", {}).get("packages", {})}
        versions = ", ".join(f"{name} {number}" for name, number in used.items())
        lines.append(f"| all | {machine} | {any_part['python']} | | {versions} |")
    return "\n".join(lines)


_SAID_BUSY = (
    "While other work kept all cores busy, times are wide apart and throughput means nothing; such figures only show "
    "that everything runs."
)
_SAID_TARGETS = (
    "Measured against the targets of the design. A ratio is taken round by round within one run, then the median; its "
    "interval is a bootstrap over starts of the processes and rounds within them. Beside it is the ratio of the two "
    "lower quartiles, which other work on the machine moves least. A target that the interval touches is called "
    "within noise. Instruction counts do not depend on other work; they move by 2 % with the addresses of objects."
)
_SAID_HOW = (
    "Every figure below is computed from the raw results in `benchmarks/results/`, and `python -m benchmarks.report` "
    "draws them again. Load before is the machine's load average when the part began: above the number of cores, "
    "wall times say little, and CPU times and instruction counts count."
)
_SAID_MICRO = (
    "The first column is the cost of the plain statement with its median absolute deviation; the others are ratios "
    "to it with their 95 % intervals. CPU time on SQLite in memory, wall time on PostgreSQL. Everyone builds the "
    "statement anew at each call. A dash means that the package has no form of its own for the case."
)
_SAID_INSTRUCTIONS = (
    "Counted by callgrind on SQLite in memory, so the machine's noise is not in them. The first column is the number "
    "for one operation, the others are ratios to it. Cold is a first compilation: for SQL text that includes reading "
    "it, which the guard does once for each text."
)
_SAID_REQUEST = "A Starlette route that answers two letters, called as a server would call it, and over HTTP."
_SAID_LOCUST = (
    "Agents of many companies, asked for as Zipf's law has it, read much and write little; two intruders try what "
    "must not succeed, and are not counted as work. Every answer is checked for another company's data, sums and "
    "maxima too. The server with no security holds the rows of a single company, so that its answers are as large as "
    "everyone's; that one and the recipe, which promises nothing about writes, are not attacked. Each server has a "
    "core of its own, and the rows are put back before each round. Server busy is its CPU time against the clock: near "
    "100 %, it is the server that was measured, and not who loads it."
)
_SAID_APART = (
    "Counted by callgrind, in process, on SQLite: all answer the same from the rows of one company. The first "
    "column is the number for one request, the others are ratios to it. The token was seen before by the guard; PyJWT "
    "verifies it each time. `make bench-profile` counts them."
)
_SAID_PROFILE = (
    "Sampled by py-spy on SQLite in memory, without the guard and with it. A function's own time counts; named are the "
    "functions of which the guarded operation spends more, the largest first. `make bench-profile` makes it."
)
_SAID_SCALE = (
    "The slope says how a cost grows along the x axis: it is the exponent of a power law fitted to the points. "
    "0 means that it does not grow, 1 that it grows in proportion, and 0.3 that ten times as much costs twice as much. "
    "`guard()` reads every table once at start-up, so its own time and memory grow with them. The cache of tokens "
    "fills up to its limit and stays there. Shapes of statement beyond SQLAlchemy's own cache are compiled again each "
    "time, with the guard and without it."
)


def main() -> None:
    """Draw the pictures, write RESULTS.md beside the results and the page where it is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--markdown", type=Path, default=Path("benchmarks/RESULTS.md"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--html", type=Path, default=Path(".cache/benchmarks.html"))
    given = parser.parse_args()
    raw = read(given.results)
    made = list(sections(raw, given.results))
    given.markdown.write_text(markdown(TITLE, made, given.markdown.parent))
    if raw:
        readme.put(given.readme, readme.section(raw, given.results.as_posix()))
    given.html.parent.mkdir(parents=True, exist_ok=True)
    given.html.write_text(page(TITLE, made))
    print(f"{given.markdown}, {given.html}")


if __name__ == "__main__":
    main()
