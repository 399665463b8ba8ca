"""The fuzzer, for as many seeds as a test run has time for; `make fuzz` runs it for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantguard.sql.text.resolution.queries import Placements
from tests.fuzz.hostile import HostileFuzzer
from tests.fuzz.splices import SpliceFuzzer
from tests.fuzz.texts import TextFuzzer
from tests.fuzz.tokens import TokenFuzzer
from tests.servers import BACKENDS, Backend, Database

SEEDS = st.integers(0, 2**32)
QUICKLY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def texts() -> Iterator[TextFuzzer]:
    """Give the fuzzer of SQL text."""
    fuzzer = TextFuzzer()
    yield fuzzer
    fuzzer.close()


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenFuzzer]:
    """Give the fuzzer of tokens."""
    fuzzer = TokenFuzzer()
    yield fuzzer
    fuzzer.close()


@QUICKLY
@given(seed=SEEDS)
def test_no_text_reaches_another_tenants_rows(texts: TextFuzzer, seed: int) -> None:
    """Whatever text is accepted shows and changes the tenant's rows only, and is right about them."""
    assert texts.run(seed) is None


@QUICKLY
@given(seed=SEEDS)
def test_no_token_passes_that_was_not_signed(tokens: TokenFuzzer, seed: int) -> None:
    """Whatever bytes come are answered with 401, or hold a token that was signed with the key."""
    assert tokens.run(seed) is None


def test_no_hostile_text_takes_much(whole: bool) -> None:
    """Deep, long and broken texts are answered without much memory; `make fuzz` holds each to a second, too."""
    fuzzer = HostileFuzzer(most_seconds=float("inf"))
    assert [fault for seed in range(40 if whole else 5) if (fault := fuzzer.run(seed))] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_spliced_text_does_what_it_does_not_alone(
    make_database: Callable[[Backend, str], Database], backend: Backend, whole: bool
) -> None:
    """What is accepted gives what it gives alone, and the database sees what the reader placed.

    The seeds are the same in each run, so that a run says what a change did; `make fuzz` takes others, for long.
    """
    both, alone = make_database(backend, "splice_whole"), make_database(backend, "splice_alone")
    fuzzer = SpliceFuzzer(both, alone)
    for seed in range(400 if whole else 120):
        assert fuzzer.run(seed) is None, f"seed {seed}"
    fuzzer.close()
    both.close()
    alone.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_judges_notice_a_hole(
    make_database: Callable[[Backend, str], Database], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that forgets its predicates is found out by what the database sees."""
    whole, alone = make_database(backend, "splice_whole"), make_database(backend, "splice_alone")
    fuzzer = SpliceFuzzer(whole, alone)
    monkeypatch.setattr(Placements, "conjoin", lambda *_args: None)
    assert any(fuzzer.run(seed) is not None for seed in range(600))
    fuzzer.close()
    whole.close()
    alone.close()


def test_the_fuzzer_notices_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that forgets its predicates is found out within some hundred seeds."""
    broken = TextFuzzer()
    monkeypatch.setattr(Placements, "conjoin", lambda *_args: None)
    try:
        assert any(broken.run(seed) is not None for seed in range(400))
    finally:
        broken.close()
