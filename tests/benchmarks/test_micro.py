"""The micro benchmarks: every variant does the same work, in every case, warm and cold."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from benchmarks.micro.cases import CASES, COLD, Scene
from benchmarks.micro.export import suites
from benchmarks.micro.models import Models
from benchmarks.micro.run import MeasurementError, Plan, Series, merged, run_case
from benchmarks.micro.table import compared, table
from benchmarks.micro.variants import SQLITE, VARIANTS, check
from benchmarks.micro.worker import Bench, forget, operation_of, scene_of

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
def test_every_variant_finds_the_same(bench: Bench, case: str) -> None:
    """What is compared is the same work: the result is the unguarded one's, for the first tenant."""
    unguarded = _result(bench, "unguarded", case)
    for name in OURS:
        with suppress(LookupError):  # it has no form of its own for the case
            assert (name, _result(bench, name, case)) == (name, unguarded)


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


class _Failing(_Fake):
    """Fail once the figures count."""

    _asked = 0

    def ask(self, do: str, **command: Any) -> Any:
        """Return wall and CPU time, twice."""
        self._asked += 1
        if self._asked > 2:
            raise MeasurementError("it broke")
        return super().ask(do, **command)


def test_the_variants_take_turns() -> None:
    """Each variant is measured in each round with the same number of loops, and told as a ratio."""
    plan = Plan(rounds=30, slice_ns=1_000_000, restarts=3)
    workers = {"unguarded": _Fake(1_000), "tenantguard": _Fake(1_020)}
    series = run_case(plan, SQLITE, "orm_by_key", False, workers)
    assert [(one.variant, len(one.wall[0]), one.loops) for one in series] == [
        ("unguarded", 10, series[0].loops),
        ("tenantguard", 10, series[0].loops),
    ]
    text = table({"series": [vars(one) for one in series]}, "unguarded")
    assert "| 1.0 µs ± 0.0 | 1.020 |" in text


def test_a_missing_case_is_said_and_not_measured() -> None:
    """A variant without the case has no figures but a reason."""
    (one,) = run_case(Plan(), SQLITE, "raw_select", False, {"recipe": _Fake(1)})
    assert (one.wall, one.missing) == ([[]], "no form of its own")


def test_restarts_are_one_series() -> None:
    """What several starts measured of the same thing is put together."""
    parts = [Series(SQLITE, "insert", False, "recipe", 1, [[float(i)]], [[float(i)]]) for i in range(3)]
    (whole,) = merged(parts)
    assert whole.wall == [[0.0], [1.0], [2.0]]


def test_a_start_that_failed_takes_no_part_in_a_ratio() -> None:
    """Rounds are compared with rounds of the same start, or not at all."""
    found = compared([[], [3.0]], [[1.0], [2.0]])
    assert found is not None
    assert found.value == 1.5
    assert compared([[]], [[1.0]]) is None


def test_one_that_fails_half_way_leaves_the_others_measured() -> None:
    """An error in one variant ends its own series and nobody else's."""
    workers = {"unguarded": _Fake(1_000), "recipe": _Failing(1_000)}
    plain, recipe = run_case(Plan(rounds=9, restarts=1), SQLITE, "insert", False, workers)
    assert (len(plain.wall[0]), recipe.wall, recipe.missing) == (9, [[]], "it broke")


def test_a_way_of_isolating_that_does_nothing_is_not_measured(bench: Bench) -> None:
    """A package that is set up wrongly would look cheap; it is noticed before anything is timed."""
    with pytest.raises(RuntimeError, match=r"10000 rows instead of 1000"):
        check(bench.ready("unguarded"))


def test_cold_forgets_what_was_read_of_a_text(bench: Bench) -> None:
    """The guard's own memory of SQL text is emptied as well as SQLAlchemy's of compiled statements."""
    bench.run("tenantguard", "raw_select", 1)
    ready: Any = bench.ready("tenantguard")
    forget(ready)
    assert len(ready.raw_engine.dialect.tg_guard.texts.kept) == 0


def test_results_go_into_pyperfs_format() -> None:
    """Each start of a variant is one run of pyperf's, in seconds."""
    series = [vars(Series(SQLITE, "insert", False, "recipe", 7, [], [[2e9, 4e9], [6e9]]))]
    suite = suites({"series": series, "processor": "one", "python": "CPython"})["recipe"]
    (benchmark,) = suite.get_benchmarks()
    assert benchmark.get_name() == "sqlite: insert, warm"
    assert benchmark.get_values() == (2.0, 4.0, 6.0)
