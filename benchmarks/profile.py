"""Where the time goes that the guard adds: the same work profiled without it and with it, function by function.

py-spy looks at the process from outside, five hundred times a second, and slows it down hardly at all. A function's
own time is its share of the samples; what the guarded run has more of is what the guard costs, wherever it is spent.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cores import beside_the_measured, give_a_core
from benchmarks.environments import ROOT, MissingEnvironmentError
from benchmarks.machine import describe
from benchmarks.micro.cases import CASES
from benchmarks.results_file import write

RATE = 500  # samples a second
SHOWN = 6  # functions of each profile
REQUEST = "request"
WANTED = (
    "orm_by_key", "orm_list_100", "core_select", "bulk_update", "unit_of_work", "bulk_insert", "core_select:cold",
    "insert:cold", "bulk_update:cold", REQUEST,
)  # fmt: skip
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]+):\d+\)")


@dataclass
class Profile:
    """Hold what the guard adds to one piece of work.

    Attributes:
        work: the name of a case, with ``:cold`` for its first compilation, or ``request``.
        plain: microseconds of one operation without the guard.
        guarded: the same with it.
        added: by function, the microseconds that the guarded operation takes more; the largest first.
    """

    work: str
    plain: float
    guarded: float
    added: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return what the work is called."""
        case, _, cold = self.work.partition(":")
        if case == REQUEST:
            return "request with a token seen before"
        return f"{CASES[case].title}, {'first compilation' if cold else 'warm'}"


def profile(work: str, seconds: float) -> Profile:
    """Profile one piece of work without and with the guard.

    Raises:
        MissingEnvironmentError: py-spy is not installed, or may not look at a process.
    """
    plain, guarded = (_sampled(_command(work, side, seconds)) for side in (False, True))
    more = {name: guarded[name] - plain[name] for name in guarded.keys() | plain.keys()}
    largest = sorted(more, key=lambda name: more[name], reverse=True)[:SHOWN]
    added = {name: more[name] for name in largest if more[name] > 0}
    return Profile(work, sum(plain.values()), sum(guarded.values()), added)


def _command(work: str, guarded: bool, seconds: float) -> list[str]:
    if work == REQUEST:
        return ["benchmarks.request.inside", "seen" if guarded else "bare", str(seconds)]
    case, _, cold = work.partition(":")
    variant = "tenantguard" if guarded else "unguarded"
    return ["benchmarks.micro.worker", "--repeat", variant, "sqlite://", case, cold or "warm", str(seconds)]


def _sampled(command: list[str]) -> Counter[str]:
    """Return the microseconds of one operation by function."""
    spy = Path(sys.executable).with_name("py-spy")
    found = str(spy) if spy.exists() else shutil.which("py-spy")
    if found is None:
        raise MissingEnvironmentError("py-spy is not installed")
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "samples"
        record = [
            found,
            "record",
            "--nonblocking",
            "--format",
            "raw",
            "--rate",
            str(RATE),
            "--output",
            str(out),
        ]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        process = subprocess.Popen(
            [*record, "--", sys.executable, "-m", *command],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        give_a_core(process.pid)
        told, complaint = process.communicate()
        if not out.exists():
            raise MissingEnvironmentError(complaint.strip() or "py-spy recorded nothing")
        cpu = next(int(line) for line in told.splitlines() if line.isdigit()) / 1_000
        return own_time(out.read_text().splitlines(), cpu)


def own_time(stacks: Iterable[str], cpu: float) -> Counter[str]:
    """Return by function its share of the microseconds of CPU time that one operation took.

    The lines are py-spy's raw ones, ``frame;frame;frame count``. Waiting for a core is sampled as well, so the
    samples tell shares, and the clock of the thread tells of what.
    """
    found: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        names = [_FRAME.fullmatch(frame) for frame in stack.split(";")]
        called = [one["name"] for one in names if one is not None]
        last = names[-1] if names else None
        if last is not None and "profiled" in called and "forget" not in called:
            found[f"{last['name']} ({last['file']})"] += int(count)
    return Counter({name: count * cpu / found.total() for name, count in found.items()})


def table(profiles: Sequence[dict[str, Any]]) -> str:
    """Return the profiles as a Markdown table."""
    lines = [
        "| what | plain, µs | guarded, µs | where the guarded one spends more, µs |",
        "|---|---|---|---|",
    ]
    for one in profiles:
        made = Profile(**one)
        added = ", ".join(f"`{name}` {us:.2g}" for name, us in made.added.items())
        lines.append(f"| {made.title} | {made.plain:.1f} | {made.guarded:.1f} | {added} |")
    return "\n".join(lines)


def main() -> None:
    """Profile what the command line asks for, write the raw results and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=main.__doc__)
    parser.add_argument("--work", nargs="+", default=WANTED, help="a case, case:cold, or request")
    parser.add_argument("--seconds", type=float, default=5, help="of each of the two runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/profile.json"))
    given = parser.parse_args()
    facts = describe()
    with beside_the_measured():
        profiles = [asdict(profile(work, given.seconds)) for work in given.work]
    write(given.out, {"part": "profile", **facts, "profiles": profiles})
    print(table(profiles))


if __name__ == "__main__":
    main()
