"""``make hostile``: run random hostile writes and their legitimate twins over three databases, and compare."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.hostile.judge import Judge, programs
from tests.servers import BACKENDS, MissingServerError, running


def main() -> int:
    """Run the programs on each database; return 1 where one disagrees with the world of one company."""
    parser = argparse.ArgumentParser(prog="make hostile", description=main.__doc__)
    parser.add_argument("--programs", type=int, default=100_000, help="how many on each database (100,000)")
    parser.add_argument("--seed", type=int, default=0, help="which programs (0)")
    parser.add_argument("--databases", default=",".join(BACKENDS), help="which databases")
    parser.add_argument("--most", type=int, default=20, help="stop a database after so many faults (20)")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each refusal is recorded
    faults = 0
    with running() as servers:
        for backend in BACKENDS:
            if backend not in given.databases.split(","):
                continue
            try:
                judge = Judge(
                    servers.database(backend, "hostile_alone"), servers.database(backend, "hostile")
                )
            except MissingServerError as error:
                print(f"{backend} is left out: {error}", file=sys.stderr)
                continue
            faults += _run(judge, backend, given)
    return 1 if faults else 0


def _run(judge: Judge, backend: str, given: argparse.Namespace) -> int:
    begun, faults, done = time.monotonic(), 0, 0
    for program in programs(given.seed, given.programs):
        done += 1
        fault = judge.fault(program)
        if fault is not None:
            faults += 1
            print(f"{backend}: {fault}", flush=True)
            if faults >= given.most:
                break
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(judge.counts.items()))
    print(
        f"{backend}: {done:,} programs in {time.monotonic() - begun:.0f} s, {faults} faults: {counts}",
        flush=True,
    )
    return faults


if __name__ == "__main__":
    sys.exit(main())
