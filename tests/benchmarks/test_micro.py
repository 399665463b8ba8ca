"""The micro benchmarks: every variant does the same work, in every case, warm and cold."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.micro.cases import CASES, COLD, Scene
from benchmarks.micro.models import Models
from benchmarks.micro.run import Plan, Series, merged, run_case
from benchmarks.micro.table import table
from benchmarks.micro.variants import SQLITE, VARIANTS
from benchmarks.micro.worker import Bench, operation_of, scene_of

OURS = [name for name, variant in VARIANTS.items() if variant.package is None]


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Give every variant that needs no other environment, on a database in memory."""
    opened = Bench()
    for name in OURS:
        opened.open(name, "sqlite://")
    return opened


def _result(bench: Bench, name: str, case: str) -> Any:
    """Return what an operation found, without the objects that carry it."""
    operation = operation_of(VARIANTS[name], CASES[case])
    with scene_of(bench.ready(name), CASES[case]) as scene:
        return _plain(operation(scene), scene)


def _plain(found: Any, scene: Scene) -> Any:
    models: Models = scene.models
    if isinstance(found, list):
        return [_plain(one, scene) for one in found]
    if isinstance(found, models.Call):
        return (found.number_id, found.seconds, getattr(found, models.column))
    if isinstance(found, int):
        return found
    return tuple(found) if isinstance(found, tuple) else getattr(found, "rowcount", None)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", [name for name in OURS if name != "unguarded"])
def test_every_variant_finds_the_same(bench: Bench, name: str, case: str) -> None:
    """What is compared is the same work: the result is the unguarded one's, for the first tenant."""
    try:
        found = _result(bench, name, case)
    except LookupError:
        return  # it has no form of its own for the case
    assert found == _result(bench, "unguarded", case)


@pytest.mark.parametrize("case", COLD)
def test_a_cold_statement_is_compiled_anew(bench: Bench, case: str) -> None:
    """Nothing compiled is left when a cold operation begins, for anyone."""
    for name in OURS:
        try:
            wall, cpu = bench.run(name, case, 1, cold=True)
        except LookupError:
            continue
        assert wall > 0
        assert cpu > 0


class _Fake:
    """Answer as a worker does, with durations of one's own."""

    def __init__(self, ns: int) -> None:
        self._ns = ns

    def ask(self, do: str, **command: Any) -> Any:
        """Return wall and CPU time."""
        if command["case"] == "raw_select":
            raise LookupError("no form of its own")
        return [self._ns * command["loops"]] * 2


def test_the_variants_take_turns() -> None:
    """Each variant is measured in each round with the same number of loops, and told as a ratio."""
    plan = Plan(rounds=30, slice_ns=1_000_000, restarts=3)
    workers = {"unguarded": _Fake(1_000), "tenantguard": _Fake(1_020)}
    series = run_case(plan, SQLITE, "orm_by_key", False, workers)
    assert [(one.variant, len(one.wall), one.loops) for one in series] == [
        ("unguarded", 10, series[0].loops),
        ("tenantguard", 10, series[0].loops),
    ]
    text = table({"series": [vars(one) for one in series]}, "unguarded")
    assert "| 1.0 µs ± 0.0 | 1.020 (1.020 to 1.020) |" in text


def test_a_missing_case_is_said_and_not_measured() -> None:
    """A variant without the case has no figures but a reason."""
    (one,) = run_case(Plan(), SQLITE, "raw_select", False, {"recipe": _Fake(1)})
    assert (one.wall, one.missing) == ([], "no form of its own")


def test_restarts_are_one_series() -> None:
    """What several starts measured of the same thing is put together."""
    parts = [Series(SQLITE, "insert", False, "recipe", 1, [float(i)], [float(i)]) for i in range(3)]
    (whole,) = merged(parts)
    assert whole.wall == [0.0, 1.0, 2.0]
