"""The report: every figure and picture is made from raw results, a miss is told as one."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import table as compare_table
from benchmarks.compare import verdict
from benchmarks.figures import Ratio
from benchmarks.profile import Profile, own_time
from benchmarks.report import readme
from benchmarks.report.__main__ import read, sections
from benchmarks.report.page import markdown, page
from benchmarks.report.targets import Target, targets
from benchmarks.request.apps import KINDS
from benchmarks.results_file import write

FACTS = {
    "taken": "2026-01-01", "command": "python", "commit": "abc", "python": "CPython", "system": "Linux",
    "processor": "one", "cores": 2, "memory_gb": 1, "load": [0.1], "versions": {"SQLAlchemy": "2.1"},
}  # fmt: skip


def _noisy(middle: float) -> list[float]:
    dice = random.Random(1)
    return [middle * dice.uniform(0.99, 1.01) for _ in range(20)]


def _micro(variant: str, cost: float, *, cold: bool = False) -> dict[str, Any]:
    ns = _noisy(cost)
    return {
        "backend": "sqlite",
        "case": "orm_by_key",
        "cold": cold,
        "variant": variant,
        "missing": "",
        "wall": [],
        "cpu": [ns],
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Give a directory of small raw results of every part."""
    request = [{"kind": name, "wall": [_noisy(100)], "cpu": [_noisy(100)]} for name in KINDS]
    run = {
        "rate": 100.0,
        "p50": 1,
        "p95": 2,
        "p99": 3,
        "failures": 0,
        "leaks": 0,
        "cpu_seconds": 1,
        "seconds": 1,
        "requests": 9,
        "attempts": 1,
    }
    runs = [
        {"backend": "sqlite", "kind": kind, "round": turn, "memory_mb": 50.0, **run}
        for kind in ("nothing", "handwritten", "tenantguard", "alone")
        for turn in range(3)
    ]
    curve = {"name": "c", "title": "one", "x": "tables", "y": "µs", "xs": [1, 10], "flat": True}
    series = [_micro("unguarded", 100), _micro("tenantguard", 101), _micro("handwritten", 120)]
    series += [_micro("unguarded", 100, cold=True), _micro("tenantguard", 140, cold=True)]
    parts: dict[str, dict[str, Any]] = {
        "micro": {"packages": {"softtenant": "0.1.0"}, "series": series},
        "instructions": {
            "instructions": {"unguarded": {"orm_by_key": 100}, "tenantguard": {"orm_by_key": 101}},
            "cold": {"unguarded": {"orm_by_key": 100}, "tenantguard": {"orm_by_key": 150}},
        },
        "request": {"inside": request, "outside": request},
        "locust": {"runs": runs},
        "scale": {"curves": [{**curve, "lines": {"tenantguard": [5.0, 5.0]}}]},
        "profile": {"profiles": [asdict(Profile("insert:cold", 9.0, 11.0, {"f (a.py)": 2.0}))]},
    }
    for name, part in parts.items():
        write(tmp_path / f"{name}.json", {**FACTS, **part})
    return tmp_path


def test_the_report_is_made_of_raw_results(results: Path) -> None:
    """Each part has its section, and the page in HTML carries its pictures inside."""
    made = list(sections(read(results), results))
    text, whole = markdown("Costs", made, results), page("Costs", made)
    assert "![The example application under load](locust.png)" in text
    assert (results / "locust.png").stat().st_size > 0
    assert whole.count("data:image/png;base64,") == 6
    assert 'src="http' not in whole
    assert "| insert one object, first compilation | 9.0 | 11.0 | `f (a.py)` 2 |" in text


def test_targets_are_told_as_they_were_reached(results: Path) -> None:
    """What reaches its target is met, and what does not is missed."""
    found = {one.what: one.verdict for one in targets(read(results))}
    assert found["ORM select by key, warm, against unguarded"] == "met"
    assert found["ORM select by key, warm, against hand-written"] == "met"
    assert found["ORM select by key, first compilation, against unguarded"] == "missed"
    assert found["ORM select by key, first compilation, instructions, against unguarded"] == "missed"
    assert (
        found["requests per CPU second of the example on sqlite, against no security, on the same rows"]
        == "met"
    )
    assert found["requests per second of the example on sqlite, against hand-written"] == "missed"
    assert (
        found["requests per second of the example on sqlite, against no security, on the same rows"] == "met"
    )


def test_a_target_inside_the_interval_is_noise() -> None:
    """A value beyond its bound is no miss while the interval holds the bound."""
    assert Target("a", 1.0, 1.1, 0.9, 1.3).verdict == "within noise"


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Ratio(1.2, 1.1, 1.3, 1.2), "slower"),
        (Ratio(0.8, 0.7, 0.9, 0.8), "faster"),
        (Ratio(1.2, 0.9, 1.3, 1.2), "the same"),
        (Ratio(1.005, 1.001, 1.009, 1.0), "the same"),
    ],
)
def test_a_comparison_says_what_moved_beyond_its_noise(one: Ratio, told: str) -> None:
    """A ratio has moved when its interval leaves out 1, by more than a run can tell."""
    assert verdict(one) == told


def test_a_comparison_is_told_as_a_table() -> None:
    """Each case has a line with the ratio of the two commits."""
    before, after = _micro("before", 100), _micro("after", 150)
    text = compare_table({"base": "main", "series": [before, after]})
    assert text.splitlines()[-1].startswith("| ORM select by key | warm | 1.5")
    assert text.splitlines()[-1].endswith("| slower |")


def test_the_readme_quotes_what_the_picture_shows(results: Path, tmp_path: Path) -> None:
    """The section is written between its marks, again and again, and the rest of the README stays."""
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- benchmarks -->\nafter\n")
    for _ in range(2):
        readme.put(page, readme.section(read(results), "pictures"))
    text = page.read_text()
    assert text.startswith("before\n<!-- benchmarks -->\n## What it costs\n")
    assert text.endswith("\n<!-- /benchmarks -->\nafter\n")
    assert text.count("![") == 1
    assert "an ORM select by key takes 1.01 times as long (a filter written by hand: 1.20)" in text


def test_raw_results_are_rounded_and_lie_one_series_on_a_line(tmp_path: Path) -> None:
    """What is kept is what a round can tell, in few bytes and lines."""
    path = tmp_path / "raw.json"
    write(path, {"part": "micro", "series": [{"cpu": [[123456.789, 0.0123456]]}, {"cpu": [[0.0]]}]})
    assert path.read_text().count("\n") == 7
    assert json.loads(path.read_text())["series"] == [{"cpu": [[123500, 0.01235]]}, {"cpu": [[0.0]]}]


def test_a_profile_counts_own_time_of_the_profiled_work() -> None:
    """Samples outside the work, or while caches are emptied, are nobody's."""
    stacks = [
        "main (a.py:1);profiled (w.py:2);execute (b.py:3) 20",
        "main (a.py:1);profiled (w.py:2);forget (w.py:9);clear (b.py:3) 40",
        "main (a.py:1);open (w.py:2) 80",
    ]
    assert own_time(stacks, cpu=4.5) == {"execute (b.py)": 4.5}
