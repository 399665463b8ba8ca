"""The mutations keep up with the code: one that no longer fits would break nothing, and prove nothing."""

from __future__ import annotations

from scripts.mutants import ROOT, paths_of, stale
from scripts.mutations import MUTATIONS


def test_every_mutation_fits_the_code() -> None:
    """What it replaces stands in its function exactly once; where that changed, the mutation changes along."""
    assert [f"{mutation.place}: {mutation.name}" for mutation in MUTATIONS if stale(mutation)] == []


def test_every_mutation_has_tests_that_exist() -> None:
    """A path that is gone would fail the run of tests, and count every mutant as killed."""
    assert {
        path
        for mutation in MUTATIONS
        for path in (*paths_of(mutation, slower=True), *mutation.tests)
        if not (ROOT / path).exists()
    } == set()


def test_every_mutation_has_a_name_of_its_own() -> None:
    """A survivor is told by its place and its name."""
    names = [(mutation.part, mutation.name) for mutation in MUTATIONS]
    assert len(names) == len(set(names))
