"""The report: every figure and picture is made from raw results, a miss is told as one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import table as compare_table
from benchmarks.compare import verdict
from benchmarks.figures import Ratio
from benchmarks.report.__main__ import read, sections
from benchmarks.report.page import markdown, page
from benchmarks.report.targets import Target, targets
from benchmarks.request.apps import KINDS

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
        "wall": ns,
        "cpu": ns,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Give a directory of small raw results of every part."""
    request = [{"kind": name, "wall": _noisy(100), "cpu": _noisy(100)} for name in KINDS]
    run = {
        "rate": 100.0,
        "p50": 1,
        "p95": 2,
        "p99": 3,
        "failures": 0,
        "leaks": 0,
        "cpu_seconds": 1,
        "requests": 9,
    }
    runs = [
        {"backend": "sqlite", "kind": kind, "round": turn, "memory_mb": 50.0, **run}
        for kind in ("nothing", "handwritten", "tenantguard")
        for turn in range(3)
    ]
    curve = {"name": "c", "title": "one", "x": "tables", "y": "µs", "xs": [1, 10], "flat": True}
    series = [_micro("unguarded", 100), _micro("tenantguard", 101), _micro("handwritten", 120)]
    series += [_micro("unguarded", 100, cold=True), _micro("tenantguard", 140, cold=True)]
    parts: dict[str, dict[str, Any]] = {
        "micro": {"packages": {"softtenant": "0.1.0"}, "series": series},
        "instructions": {
            "instructions": {"unguarded": {"orm_by_key": 100}, "tenantguard": {"orm_by_key": 101}}
        },
        "request": {"inside": request, "outside": request},
        "locust": {"runs": runs},
        "scale": {"curves": [{**curve, "lines": {"tenantguard": [5.0, 5.0]}}]},
    }
    for name, part in parts.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**FACTS, **part}))
    return tmp_path


def test_the_report_is_made_of_raw_results(results: Path) -> None:
    """Each part has its section, and the page in HTML carries its pictures inside."""
    made = list(sections(read(results), results))
    text, whole = markdown("Costs", made, results), page("Costs", made)
    assert "![The example application under load](locust.png)" in text
    assert (results / "locust.png").stat().st_size > 0
    assert whole.count("data:image/png;base64,") == 5
    assert 'src="http' not in whole


def test_targets_are_told_as_they_were_reached(results: Path) -> None:
    """What reaches its target is met, and what does not is missed."""
    found = {one.what: one.verdict for one in targets(read(results))}
    assert found["ORM select by key, warm, against unguarded"] == "met"
    assert found["ORM select by key, warm, against hand-written"] == "met"
    assert found["ORM select by key, first compilation, against unguarded"] == "missed"
    assert found["requests per second of the example on sqlite, against hand-written"] == "missed"
    assert found["requests per second of the example on sqlite, against no security"] == "met"


def test_a_target_inside_the_interval_is_noise() -> None:
    """A value beyond its bound is no miss while the interval holds the bound."""
    assert Target("a", 1.0, 1.1, 0.9, 1.3).verdict == "within noise"


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Ratio(1.2, 1.1, 1.3), "slower"),
        (Ratio(0.8, 0.7, 0.9), "faster"),
        (Ratio(1.2, 0.9, 1.3), "the same"),
        (Ratio(1.005, 1.001, 1.009), "the same"),
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
