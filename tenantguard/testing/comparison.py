"""The comparison of two runs of one program: each step's result, and every row afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tenantguard.testing.databases import State
from tenantguard.testing.generator.program import Program
from tenantguard.testing.witness import Raised


@dataclass(frozen=True)
class Outcome:
    """The observations of one run of a program, and every row afterwards if it writes."""

    seen: list[tuple[int, Any]]
    state: State | None = None


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison.

    Attributes:
        program: what was run.
        disagreements: a sentence each; empty where the promise was kept.
        refusals: errors of the guard where the tenant's own database has none.
        errors: the classes of errors that both sides met.
    """

    program: Program | None
    disagreements: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    errors: tuple[str, ...] = field(default=(), compare=False)

    @property
    def agrees(self) -> bool:
        """Tell whether the promise was kept."""
        return not self.disagreements


def compare(guarded: Outcome, reference: Outcome, others: Mapping[str, Counter[str]], who: str) -> Verdict:
    """Compare two runs; ``others`` are the rows that must still stand there beside the tenant's own."""
    wrong, refused, errors = compare_seen(guarded.seen, reference.seen, who)
    changed = changes_of_others(guarded, others, who)
    wrong += changed
    if guarded.state is not None and reference.state is not None and not changed and not refused:
        for name, rows in guarded.state.items():
            now, foreign = Counter(rows), others[name]
            if now - foreign != Counter(reference.state[name]):
                here, there = now - foreign, Counter(reference.state[name])
                wrong.append(
                    f"as {who}: {name} afterwards holds {_shown(here - there)} and lacks {_shown(there - here)}"
                )
    return Verdict(None, tuple(wrong), tuple(refused), tuple(errors))


def changes_of_others(outcome: Outcome, others: Mapping[str, Counter[str]], who: str) -> list[str]:
    """Return a sentence for each table in which rows of other tenants are not what they were."""
    return [
        f"as {who}: rows of other tenants in {name} changed: {_shown(others[name] - Counter(rows))}"
        for name, rows in (outcome.state or {}).items()
        if others[name] - Counter(rows)
    ]


Seen = list[tuple[int, Any]]


def compare_seen(here: Seen, there: Seen, who: str) -> tuple[list[str], list[str], list[str]]:
    """Compare step by step, up to the first that differs; return disagreements, refusals and common errors."""
    errors: list[str] = []
    for step in sorted({number for number, _ in (*here, *there)}):
        mine = [value for number, value in here if number == step]
        right = [value for number, value in there if number == step]
        failed, told = _raised(right), f"as {who}, step {step}"
        error = _raised(mine)
        if error is not None and error.refused and failed is None:
            return [], [f"{told}: refused with {error.kind}: {error.message}"], errors
        if error is not None and failed is not None and (error.refused or error == failed):
            errors.append(failed.kind)
        elif not _same(mine, right):
            return [f"{told}: guarded {_told(mine)}, but alone {_told(right)}"], [], errors
    return [], [], errors


def _raised(seen: list[Any]) -> Raised | None:
    return seen[-1] if seen and isinstance(seen[-1], Raised) else None


def _same(mine: Any, right: Any) -> bool:
    return bool(mine == right) and repr(mine) == repr(right)


def _told(seen: list[Any]) -> str:
    told = [f"raised {v.kind} ({v.message})" if isinstance(v, Raised) else f"saw {v!r}" for v in seen]
    return ", ".join(told) or "saw nothing"


def _shown(rows: Counter[str]) -> str:
    return ", ".join(rows) or "nothing more"
