"""The process that measures: it reads commands as lines of JSON and answers with durations.

It runs in this project's environment or in a rival's, so it imports nothing but SQLAlchemy and what the
variant itself needs. ``--count`` runs each case between two marks, for callgrind; ``--repeat`` repeats one,
for a profiler.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from time import perf_counter_ns, thread_time_ns
from typing import Any

from benchmarks.micro.cases import CASES, STAMPED, Case, Operation, Scene
from benchmarks.micro.variants import VARIANTS, Ready, Variant

SETTLE = 5  # operations before the clock starts, or a fifth of what is timed; for everyone
ADAPTED = 60  # operations after which CPython has specialised what they execute
LAYOUT = int(
    os.environ.get("BENCH_LAYOUT", "0")
)  # how CPython numbers its classes, where instructions are counted
PROFILED = 100  # operations of one session, for a profiler
# Whose own memories of a statement's text are emptied as well before a cold operation.
MEASURED = ("tenantguard.sql.text", "softtenant", "litestar_tenants", "sqlalchemy_tenants", "fastapi_rls")


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
    """Empty every cache of compiled statements and of read SQL text: the engines', the mappers', the package's."""
    for engine in (ready.engine, ready.raw_engine):
        if engine is not None:
            engine.clear_compiled_cache()
            if (guard := getattr(engine.dialect, "tg_guard", None)) is not None:
                guard.texts.kept = type(guard.sent)()
                guard.sent = type(guard.sent)()
    for mapper in ready.models.Base.registry.mappers:
        mapper.__dict__.pop("_compiled_cache", None)
    for remembering in _memories():
        remembering.cache_clear()


@cache
def _memories() -> tuple[Any, ...]:
    """Return the functions of the measured packages that remember texts; what has no bound is no memory of texts."""
    modules = [module for name, module in sys.modules.items() if name.startswith(MEASURED)]
    found = [value for module in modules for value in vars(module).values() if hasattr(value, "cache_clear")]
    bounded = [function for function in found if function.cache_parameters()["maxsize"] is not None]
    return tuple({id(function): function for function in bounded}.values())


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


def count(variant: str, url: str, cases: dict[str, int], cold: dict[str, int]) -> None:
    """Run each case between two marks, as often as told, once whoever counts has said that it listens."""
    kept = [type("Numbered", (), {}) for _ in range(LAYOUT * 397)]
    [
        hasattr(numbered, "a_name") for numbered in kept
    ]  # CPython numbers a class when a name is first looked up
    bench = Bench()
    bench.open(variant, url)
    ready = bench.ready(variant)
    # Until the interpreter has adapted its instructions, and while nothing is slowed down by counting.
    for name, loops in cases.items():
        operation = operation_of(VARIANTS[variant], CASES[name])
        with scene_of(ready, CASES[name]) as scene:
            for _ in range(ADAPTED * (loops > 1)):
                operation(scene)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    for name, loops in cases.items():
        operation = operation_of(VARIANTS[variant], CASES[name])
        with scene_of(ready, CASES[name]) as scene:
            for _ in range(min(SETTLE, loops)):
                operation(scene)
            mark()
            for _ in range(loops):
                operation(scene)
            mark()
            for _ in range(cold.get(name, 0)):
                forget(ready)
                mark()
                operation(scene)
                mark()


def mark() -> None:
    """Call what nothing else calls: callgrind writes what it has counted, and starts from zero."""
    os.getppid()


def repeat(variant: str, url: str, case: str, cold: bool, seconds: float) -> None:
    """Repeat a case for a while, for a profiler, and print the nanoseconds of CPU time that one operation took."""
    bench = Bench()
    bench.open(variant, url)
    operation, done, worked = operation_of(VARIANTS[variant], CASES[case]), 0, 0
    until = perf_counter_ns() + seconds * 1e9
    while perf_counter_ns() < until:
        with scene_of(bench.ready(variant), CASES[case]) as scene:
            worked += profiled(operation, scene, PROFILED, bench.ready(variant) if cold else None)
        done += PROFILED
    print(worked // done)


def profiled(operation: Operation, scene: Scene, loops: int, cold: Ready | None) -> int:
    """Run operations; of the samples, those that have this function on their stack count."""
    worked = -thread_time_ns()
    for _ in range(loops):
        if cold is not None:
            began = thread_time_ns()
            forget(cold)
            worked -= thread_time_ns() - began
        operation(scene)
    return worked + thread_time_ns()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        count(sys.argv[2], sys.argv[3], *map(json.loads, sys.argv[4:6]))
    elif sys.argv[1:2] == ["--repeat"]:
        repeat(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5] == "cold", float(sys.argv[6]))
    else:
        serve(Bench())
