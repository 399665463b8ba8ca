"""The process that measures: it reads commands as lines of JSON and answers with durations.

It runs in this project's environment or in a rival's, so it imports nothing but SQLAlchemy and what the
variant itself needs. ``--count`` runs each case once between two marks, for callgrind.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter_ns, thread_time_ns
from typing import Any

from benchmarks.micro.cases import CASES, STAMPED, Case, Operation, Scene
from benchmarks.micro.variants import VARIANTS, Ready, Variant

SETTLE = 5  # operations before the clock starts, or a fifth of what is timed; for everyone


class Bench:
    """Hold the variants that were opened in this process."""

    def __init__(self) -> None:
        self._ready: dict[str, Ready] = {}

    def open(self, variant: str, url: str) -> None:
        """Make a variant ready on the empty database at ``url``."""
        self._ready[variant] = VARIANTS[variant].open(url)
        gc.collect()
        gc.freeze()  # what lives for ever is not walked before each slice, which would empty the CPU's caches

    def ready(self, variant: str) -> Ready:
        """Return an opened variant."""
        return self._ready[variant]

    def run(self, variant: str, case: str, loops: int, *, cold: bool = False) -> tuple[int, int]:
        """Return the nanoseconds that ``loops`` operations took: on the clock, and of this thread's CPU."""
        ready = self._ready[variant]
        operation = operation_of(VARIANTS[variant], CASES[case])
        with scene_of(ready, CASES[case]) as scene:
            if cold:
                return _time_cold(operation, scene, loops, ready)
            return _time_warm(operation, scene, loops)


def operation_of(variant: Variant, case: Case) -> Operation:
    """Return the form of the case that the variant's user would write.

    Raises:
        LookupError: there is none.
    """
    if case.name in variant.without or (variant.filtered and case.filtered is None):
        raise LookupError(f"{variant.title} has no form of its own for {case.title}")
    if variant.filtered and case.filtered is not None:
        return case.filtered
    return STAMPED[case.name] if case.name in variant.stamped else case.plain


@contextmanager
def scene_of(ready: Ready, case: Case) -> Iterator[Scene]:
    """Open what a case needs, and roll back what it did."""
    scene = Scene(ready.models, ready.open_session)
    if case.needs == "nothing":
        yield scene
        return
    opened: Any = ready.open_session
    if case.needs == "connection":
        opened = ready.raw_connection if case.name == "raw_select" else ready.open_connection
    with suppress(_Undo), opened() as resource:
        setattr(scene, case.needs, resource)
        if case.prepare is not None:
            case.prepare(scene)
        yield scene
        raise _Undo


class _Undo(Exception):
    pass


def _time_warm(operation: Operation, scene: Scene, loops: int) -> tuple[int, int]:
    gc.collect()
    gc.disable()
    for _ in range(max(min(SETTLE, loops), loops // 5)):
        operation(scene)
    steps = [None] * loops
    cpu, wall = thread_time_ns(), perf_counter_ns()
    for _ in steps:
        operation(scene)
    taken = perf_counter_ns() - wall, thread_time_ns() - cpu
    gc.enable()
    return taken


def _time_cold(operation: Operation, scene: Scene, loops: int, ready: Ready) -> tuple[int, int]:
    """Time operations whose statement was never compiled before, as far as the engine can remember."""
    taken, worked = 0, 0
    gc.collect()
    gc.disable()
    for _ in range(loops):
        forget(ready)
        cpu, wall = thread_time_ns(), perf_counter_ns()
        operation(scene)
        taken += perf_counter_ns() - wall
        worked += thread_time_ns() - cpu
    gc.enable()
    return taken, worked


def forget(ready: Ready) -> None:
    """Empty every cache of compiled statements: the engines' and the mappers'."""
    for engine in (ready.engine, ready.raw_engine):
        if engine is not None:
            engine.clear_compiled_cache()
    for mapper in ready.models.Base.registry.mappers:
        mapper.__dict__.pop("_compiled_cache", None)


def serve(bench: Bench) -> None:
    """Answer one line for each line, until there are none."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer: Any = {"ok": getattr(bench, command.pop("do"))(**command)}
        except LookupError as error:
            answer = {"missing": str(error)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def count(variant: str, cases: list[str], url: str, loops: int) -> None:
    """Run each case between two calls of ``getppid``, at which callgrind writes what it has counted."""
    bench = Bench()
    bench.open(variant, url)
    ready = bench.ready(variant)
    gc.disable()
    for name in cases:
        operation = operation_of(VARIANTS[variant], CASES[name])
        with scene_of(ready, CASES[name]) as scene:
            for _ in range(SETTLE):
                operation(scene)
            os.getppid()
            for _ in range(loops):
                operation(scene)
            os.getppid()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        count(sys.argv[2], sys.argv[3].split(","), sys.argv[4], int(sys.argv[5]))
    else:
        serve(Bench())
