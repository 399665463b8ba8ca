"""Run SQLAlchemy's own tests with every engine guarded, and again unguarded: no outcome may change.

The source distribution of the installed version is fetched once, into ``.cache``. The guard is installed in
full, with ``Tenancy.unrestricted()``, under which it adds nothing: what changes is our doing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITES = ("test/sql", "test/orm")
Outcomes = dict[str, list[str]]


def source(version: str, cache: Path) -> Path:
    """Return the unpacked source distribution of that version, fetched where it is not there yet."""
    unpacked = cache / f"sqlalchemy-{version}"
    if not unpacked.exists():
        wanted = ["--no-binary", "sqlalchemy", "--no-deps", f"sqlalchemy=={version}"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(cache), *wanted]
        subprocess.run(command, check=True)
        (archive,) = cache.glob(f"[sS][qQ][lL][aA]lchemy-{version}.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(cache, filter="data")
    return unpacked


def run(place: Path, suites: Sequence[str], *, guarded: bool, workers: int, more: Sequence[str]) -> Outcomes:
    """Run the suites in one mode and return every test's outcome; several tests may share a name."""
    told = place.parent / f"outcomes-{'guarded' if guarded else 'unguarded'}.jsonl"
    told.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONNOUSERSITE": "1",
        "TENANTGUARD_SUITE_OUTCOMES": str(told),
        "TENANTGUARD_SUITE_GUARD": "1" if guarded else "",
    }
    command = [
        sys.executable, "-s", "-m", "pytest", *suites, "-p", "scripts.sqlalchemy_plugin", "-n", str(workers),
        "-q", "-q", "--maxfail=100000", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:cacheprovider",
        "-W", "ignore:The configuration option", *more,
    ]  # fmt: skip
    # -s, and the same for the workers by their environment: the installed SQLAlchemy is tested, with its compiled
    # parts, and not the copy beside the tests.
    subprocess.run(command, cwd=place, env=environment, stdin=subprocess.DEVNULL, check=False)
    outcomes: Outcomes = {}
    for line in told.read_text().splitlines():
        name, outcome = json.loads(line)
        outcomes.setdefault(name, []).append(outcome)
    return {name: sorted(found) for name, found in outcomes.items()}


def changed(before: Outcomes, after: Outcomes) -> list[str]:
    """Return a line per test whose outcome is not the same in both runs.

    SQLAlchemy makes tests of its own for each subclass of its elements, the guard's among them: those have no
    counterpart without the guard, and have to pass.
    """
    return [
        f"{name}: {' '.join(before.get(name, ['missing']))} -> {' '.join(after.get(name, ['missing']))}"
        for name in sorted(before.keys() | after.keys())
        if (before.get(name) != after.get(name) if name in before else set(after[name]) != {"passed"})
    ]


def counted(outcomes: Outcomes) -> str:
    """Return how many tests had each outcome."""
    count = Counter(one for found in outcomes.values() for one in found)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(count.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both modes, print what differs, and return 1 where something does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="*", default=SUITES, help="files or directories of the suite")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache")
    parser.add_argument("--select", help="only the tests whose name matches, as pytest's -k")
    chosen = parser.parse_args(arguments)
    version = importlib.metadata.version("sqlalchemy")
    chosen.cache.mkdir(exist_ok=True)
    place = source(version, chosen.cache)
    more = ["-k", chosen.select] if chosen.select else []
    before, after = (
        run(place, chosen.suite, guarded=guarded, workers=chosen.workers, more=more)
        for guarded in (False, True)
    )
    differences = changed(before, after)
    print(f"\nSQLAlchemy {version}, {' '.join(chosen.suite)}")
    print(f"unguarded: {counted(before)}")
    print(f"guarded:   {counted(after)}")
    print(f"of the guard's own elements: {len(after.keys() - before.keys())} tests more")
    print("\n".join([*differences, f"{len(differences)} tests change their outcome"]))
    return 1 if differences or not before else 0


if __name__ == "__main__":
    sys.exit(main())
