"""Break the guards one by one in a copy of the project, and see whether the tests notice.

The unbroken tests are run once on SQLite under coverage, which tells who runs which function. Each mutation then runs
the tests that it names, a few of every file that run its function, the others of these, and at last its part on
every database. It stops at the first failure: that mutant is killed. One that no test notices has survived, and is
printed.
"""

from __future__ import annotations

import argparse
import compileall
import functools
import importlib
import itertools
import multiprocessing
import os
import py_compile
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from coverage import CoverageData

from scripts.anchors import apply, body_of
from scripts.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[1]
WANTED = 0.95  # the part of the mutants that has to be killed
_COPIED = (
    "tenantguard",
    "tenantguard_pytest.py",
    "tests",
    "scripts",
    "examples",
    "docs",
    "pyproject.toml",
    "README.md",
)
_TESTS = {
    "sql": ["tests/sql", "tests/test_interleaving.py"],
    "postgres": ["tests/postgres"],
    "audit": ["tests/audit", "tests/test_bypass.py", "tests/sql"],
    "identity": ["tests/identity", "tests/asgi"],
    "asgi": ["tests/asgi"],
    "context": [
        "tests/test_context.py",
        "tests/test_bypass.py",
        "tests/test_carry.py",
        "tests/test_ends.py",
        "tests/test_interleaving.py",
    ],
    "binding": ["tests/test_context.py", "tests/test_bypass.py", "tests/test_ends.py"],
    "handover": ["tests/test_carry.py", "tests/test_ends.py", "tests/test_interleaving.py"],
    "stepwise": ["tests/test_carry.py", "tests/test_ends.py"],
    "principal": ["tests/test_context.py", "tests/test_principal.py"],
    "placements": ["tests/test_placements.py", "tests/test_tenancy.py"],
    "tenancy": ["tests/test_placements.py", "tests/test_tenancy.py"],
}
_SLOWER = {
    "sql": ["tests/testing", "tests/examples"],
    "asgi": ["tests/identity"],
}  # asked where those notice nothing
_ONLY_SQLITE = ("-k", "not postgresql and not mariadb and not asyncpg")
_STAYING = (
    "aiosqlite", "fastapi", "fastapi.testclient", "httpx", "hypothesis.strategies", "jwt", "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "sqlalchemy.ext.asyncio", "starlette.testclient",
    "uvicorn",
)  # fmt: skip
_NOTHING_RAN = 5  # pytest's own exit status
_FIRST = 200  # tests that are asked before all the others
_LONGEST = 1200  # seconds that one run of tests may take: a mutation can make one wait for ever


@contextmanager
def copy() -> Iterator[Path]:
    """Yield a copy of the project that may be broken."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        for name in _COPIED:
            source, target = ROOT / name, Path(place, name)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, target)
        # by the hash of the source: two mutations within a second are told apart, and nothing else is compiled again
        compileall.compile_dir(
            Path(place, "tenantguard"), quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )
        yield Path(place)


@contextmanager
def broken(place: Path, mutation: Mutation) -> Iterator[None]:
    """Apply a mutation for the block."""
    path, whole = apply(mutation, place / "tenantguard")
    kept = path.read_text()
    path.write_text(whole)
    try:
        yield
    finally:
        path.write_text(kept)


def stale(mutation: Mutation) -> bool:
    """Tell whether a mutation fits no function, or more than one, or more than one place of it."""
    try:
        apply(mutation, ROOT / "tenantguard")
    except LookupError:
        return True
    return False


def paths_of(mutation: Mutation, *, slower: bool = False) -> list[str]:
    """Return the tests that have to notice."""
    part = mutation.part
    return [*_TESTS[part], *(_SLOWER.get(part, []) if slower else [])]


def passes(place: Path, tests: Sequence[str], *options: str) -> bool:
    """Tell whether the tests pass in the copy."""
    return failure(place, tests, *options) is None


def failure(place: Path, tests: Sequence[str], *options: str, longest: float | None = _LONGEST) -> str | None:
    """Return what pytest said of tests that fail in the copy, or run too long; ``None`` where they pass."""
    quiet = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
    status, said = _run_forked(
        place, ["-x", "-q", "--whole", "-p", "no:cacheprovider", *quiet, *tests, *options], longest
    )
    if "ERROR: not found:" in said:  # no test of that name ran, so none noticed
        sys.exit(f"nothing can be told: {said}")
    return None if status in (0, _NOTHING_RAN) else said


def _run_forked(place: Path, arguments: Sequence[str], longest: float | None) -> tuple[int, str]:
    """Run pytest in a child that has imported everything but the project: that takes longer than most tests.

    Returns its exit status, and what it wrote.
    """
    _import_what_stays()
    with tempfile.TemporaryFile("w+") as out:
        child = multiprocessing.get_context("fork").Process(
            target=_pytest, args=(place, arguments, out.fileno())
        )
        child.start()
        child.join(longest)
        if child.exitcode is None and child.pid is not None:
            os.killpg(child.pid, signal.SIGKILL)  # with all that it has started
            child.join()
        out.seek(0)
        return int(child.exitcode or 0), out.read()


def _pytest(place: Path, arguments: Sequence[str], out: int) -> None:
    """Be the child."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(place)
    os.environ["PYTHONPATH"] = sys.path[0] = str(place)
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.exit(pytest.main(list(arguments)))


@functools.cache
def _import_what_stays() -> None:
    """Import the tests' tools and what the project stands on, and nothing of the project."""
    for plugin in entry_points(group="pytest11"):
        if not plugin.module.startswith("tenantguard"):
            plugin.load()
    for name in _STAYING:
        importlib.import_module(name)


def tests_by_line(place: Path, tests: Sequence[str], workers: int) -> CoverageData:
    """Run the tests on SQLite and return which of them ran which line; exit where they fail without a mutation."""
    measured = ("--cov=tenantguard", "--cov-context=test", "--cov-report=", "-n", str(workers))
    sound(place, tuple(tests), (*_ONLY_SQLITE, *measured))
    data = CoverageData(str(place / ".coverage"))
    data.read()
    return data


def running(place: Path, mutation: Mutation, ran: CoverageData) -> list[str]:
    """Return the tests that run the function that is broken: the first of every file, then the second, and so on."""
    path, body = body_of(mutation, place / "tenantguard")
    lines = ran.contexts_by_lineno(str(path))
    names = {
        context.partition("|")[0] for line in body for context in lines.get(line, ()) if "|run" in context
    }
    by_file = defaultdict(list)
    for name in sorted(names):
        by_file[name.partition("::")[0]].append(name)
    return [name for some in itertools.zip_longest(*by_file.values()) for name in some if name is not None]


def survives(place: Path, mutation: Mutation, workers: int, ran: CoverageData) -> bool:
    """Tell whether no test notices the mutation."""
    asked = running(place, mutation, ran)
    with broken(place, mutation):
        if mutation.tests and not passes(place, mutation.tests):
            return False
        if asked and not passes(place, asked[:_FIRST]):
            return False
        if asked[_FIRST:] and not passes(place, asked[_FIRST:], "-n", str(workers)):
            return False
    tests, spread = paths_of(mutation, slower=True), ("-n", str(workers))
    sound(place, tuple(tests), spread)
    with broken(place, mutation):
        return passes(place, tests, *spread)


@functools.cache
def sound(place: Path, tests: Sequence[str], options: Sequence[str]) -> None:
    """Exit where the tests fail without a mutation: with one, they would tell nothing."""
    said = failure(place, tests, *options, longest=None)  # on a busy machine they take long, and they end
    if said is not None:
        sys.exit(
            "\n".join(["nothing can be told, since these fail without a mutation:", *said.splitlines()[-30:]])
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutations, print the score, and return 1 where it is too low or a mutation is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="only the mutations whose name or place holds one of these")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="only see whether every mutation still fits")
    chosen = parser.parse_args(arguments)
    mutations = [m for m in MUTATIONS if not chosen.name or any(n in m.name + m.place for n in chosen.name)]
    outdated = [m for m in mutations if stale(m)]
    for mutation in outdated:
        print(f"out of date  {mutation.place}: {mutation.name}")
    if chosen.check:
        return 1 if outdated else 0
    fitting = [mutation for mutation in mutations if mutation not in outdated]
    survivors = _run(fitting, chosen.workers)
    score = 1 - len(survivors) / len(fitting) if fitting else 0.0
    print(f"{len(fitting) - len(survivors)} of {len(fitting)} mutants killed, {score:.0%}")
    return 1 if outdated or score < WANTED else 0


def _run(mutations: Sequence[Mutation], workers: int) -> list[Mutation]:
    survivors = []
    with copy() as place:
        parts = {path for mutation in mutations for path in paths_of(mutation)}
        ran = tests_by_line(place, sorted(parts), workers)
        for number, mutation in enumerate(mutations, 1):
            began = time.monotonic()
            if survives(place, mutation, workers, ran):
                survivors.append(mutation)
            told = "SURVIVED" if mutation in survivors else "killed"
            line = f"{number}/{len(mutations)} {told:8}  {mutation.place}: {mutation.name}"
            print(f"{line} ({time.monotonic() - began:.0f} s)", flush=True)
    return survivors


if __name__ == "__main__":
    sys.exit(main())
