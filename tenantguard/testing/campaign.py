"""A campaign: numbered programs are run under an oracle, their verdicts counted, and failures made smaller."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from tenantguard.testing.comparison import Verdict
from tenantguard.testing.generator.choices import Recorded, Replayed, shrink
from tenantguard.testing.generator.program import Program
from tenantguard.testing.generator.programs import write
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.relations import RowSecurity, examine

SHOWN = 3  # failures that a campaign makes small and reports in full


@dataclass
class Tally:
    """The count of programs and of their verdicts.

    Attributes:
        refusals: programs that were refused though the tenant's own database takes them.
        foreign: those that were refused and name another tenant's key in a write, which is told apart.
        disagreements: programs that broke the promise.
        reports: texts about some of them, with code that shows it again.
    """

    programs: int = 0
    refusals: int = 0
    foreign: int = 0
    disagreements: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    reports: list[str] = field(default_factory=list)

    def add(self, program: Program, verdict: Verdict) -> None:
        """Count one program."""
        self.programs += 1
        self.shapes.update(program.shapes)
        self.errors.update(verdict.errors)
        self.disagreements += not verdict.agrees
        if verdict.refusals and verdict.agrees:
            self.foreign += program.names_others
            self.refusals += not program.names_others

    def merge(self, other: Tally) -> None:
        """Add what another run counted."""
        self.programs += other.programs
        self.refusals += other.refusals
        self.foreign += other.foreign
        self.disagreements += other.disagreements
        self.shapes.update(other.shapes)
        self.errors.update(other.errors)
        self.reports += other.reports


def prove(
    oracle: Oracle,
    *,
    programs: int,
    seed: int = 0,
    start: int = 0,
    only: str | None = None,
    security: RowSecurity | None = None,
    until: float | None = None,
) -> Tally:
    """Run numbered programs under an oracle and return the tally, with the smallest form of what fails.

    Args:
        start: the number of the first program.
        only: ``"reads"`` or ``"writes"``; both otherwise.
        security: policies, where row security is compared as well.
        until: when to stop, by ``time.monotonic()``, however many are left.
    """
    tally = Tally()
    for number in range(start, start + programs):
        if until is not None and time.monotonic() > until:
            break
        choices = Recorded(seed, number)
        program = write(choices, oracle.schema, oracle.data, oracle.dialect, only)
        verdict = examine(oracle, program, security)
        tally.add(program, verdict)
        told = bool(verdict.refusals) and not program.names_others
        if (told or not verdict.agrees) and len(tally.reports) < SHOWN:
            small = smallest(oracle, choices.made, only, security, disagrees=not verdict.agrees)
            tally.reports.append(f"seed {seed}, program {number}:\n{oracle.report(small)}")
    return tally


def smallest(
    oracle: Oracle, choices: list[int], only: str | None, security: RowSecurity | None, *, disagrees: bool
) -> Verdict:
    """Return the verdict on the smallest program found that fails in the same way."""
    last: list[Verdict] = []

    def fails(given: list[int]) -> list[int] | None:
        replayed = Replayed(given)
        program = write(replayed, oracle.schema, oracle.data, oracle.dialect, only)
        verdict = examine(oracle, program, security)
        if verdict.agrees == disagrees or not (disagrees or verdict.refusals):
            return None
        last[:] = [verdict]
        return replayed.made

    fails(shrink(choices, fails))
    return last[0]
