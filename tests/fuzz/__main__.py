"""``make fuzz``: run seeds until the time is over, and say what was found."""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext

from tests.fuzz.hostile import HostileFuzzer
from tests.fuzz.splices import SpliceFuzzer
from tests.fuzz.texts import TextFuzzer
from tests.fuzz.tokens import TokenFuzzer
from tests.servers import BACKENDS, MissingServerError, Servers, running

_TOLD = 20.0  # seconds between two lines


def main() -> int:
    """Run the fuzzers in turn; return 1 if one of them found anything."""
    given = _given()
    with nullcontext() if given.hostile else running() as servers:
        return _run(given, servers)


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (600)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0); a finding names its own")
    parser.add_argument("--count", type=int, help="stop after so many seeds of each")
    parser.add_argument(
        "--hostile", action="store_true", help="only long, deep and broken texts, which need no database"
    )
    return parser.parse_args()


def _run(given: argparse.Namespace, servers: Servers | None) -> int:
    logging.disable(logging.CRITICAL)  # each refusal is recorded, and there are thousands
    fuzzers: list[TextFuzzer | TokenFuzzer | HostileFuzzer | SpliceFuzzer] = [HostileFuzzer()]
    if servers is not None:
        fuzzers += [TextFuzzer(), TokenFuzzer(), *_splicers(servers)]
    findings: list[str] = []
    begun = told = time.monotonic()
    last = given.seed + given.count if given.count else sys.maxsize
    for batch in itertools.count(given.seed, 20):
        if batch >= last or time.monotonic() - begun > given.seconds:
            break
        for fuzzer in fuzzers:
            for seed in range(batch, min(batch + 20, last)):
                fault = fuzzer.run(seed)
                if fault is not None:
                    findings.append(f"{fuzzer.name}, seed {seed}: {fault}")
                    print(findings[-1], flush=True)
        if time.monotonic() - told > _TOLD:
            told = time.monotonic()
            print(
                f"{told - begun:6.0f} s, {batch + 20 - given.seed} seeds, {len(findings)} findings",
                flush=True,
            )
    for fuzzer in fuzzers:
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(fuzzer.counts.items()))
        print(f"{fuzzer.name}: {counts}")
        fuzzer.close()
    print(f"{len(findings)} findings in {time.monotonic() - begun:.0f} s")
    return 1 if findings else 0


def _splicers(servers: Servers) -> Iterator[SpliceFuzzer]:
    """Yield a fuzzer for each database that there is."""
    for backend in BACKENDS:
        try:
            yield SpliceFuzzer(servers.database(backend, "whole"), servers.database(backend, "alone"))
        except MissingServerError as missing:
            print(missing)


if __name__ == "__main__":
    sys.exit(main())
