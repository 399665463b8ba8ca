"""A core for what is measured, the others for everything beside it: on one core they would slow each other down.

The same for everyone who is compared. Where the system knows no affinity, or has a single core, they share.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def split(allowed: set[int]) -> tuple[set[int], set[int]]:
    """Return the core of what is measured, and those of everything else."""
    last = max(allowed)  # interrupts tend to go to the first
    return ({last}, allowed - {last}) if len(allowed) > 1 else (allowed, allowed)


_AT_START = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def give_a_core(pid: int) -> None:
    """Let a process that has just been started, and what it starts itself, run on the measured core alone."""
    if _AT_START:
        os.sched_setaffinity(pid, split(_AT_START)[0])


@contextmanager
def beside_the_measured() -> Iterator[None]:
    """Keep this process, and what it starts inside the block, off the measured core."""
    if not _AT_START:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, split(_AT_START)[1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
