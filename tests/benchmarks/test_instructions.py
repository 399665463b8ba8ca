"""Counted instructions: the parts that callgrind writes, and the cores that measured processes have."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cores import split
from benchmarks.micro.instructions import table, totals


def test_only_what_lies_between_two_marks_counts(tmp_path: Path) -> None:
    """Every second part is a case; the others hold what was done between cases."""
    for part in range(1, 6):
        (tmp_path / f"out.{part}").write_text(f"version: 1\ntotals: {part * 100}\n")
    assert list(totals(tmp_path)) == [200, 400]


def test_counts_are_told_as_ratios_to_the_plain_statement() -> None:
    """The base's own number stands in its column, and a case that somebody lacks is a dash."""
    counted = {"unguarded": {"insert": 2_000}, "tenantguard": {"insert": 2_100}, "recipe": {}}
    lines = table({"instructions": counted, "cold": {}}).splitlines()
    assert lines[-1] == "| insert one object | warm | 2,000 | 1.050 | - |"


def test_the_measured_has_a_core_where_there_are_several() -> None:
    """On a single core everybody shares it."""
    assert split({0, 1, 2}) == ({2}, {0, 1})
    assert split({0}) == ({0}, {0})
