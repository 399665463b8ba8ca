"""The comparison of two commits: the same harness, two packages, in alternation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare as module
from benchmarks.compare import compare, table
from benchmarks.environments import ROOT


class _Worker:
    """Answer as a worker of a commit does; this tree takes half as long again as the other."""

    asked: list[str] = []

    def __init__(self, python: Path, root: Path) -> None:
        self._ns = 1_500 if root == ROOT else 1_000
        self._name = "after" if root == ROOT else "before"

    def ask(self, do: str, **command: Any) -> Any:
        """Return wall and CPU time."""
        self.asked.append(self._name)
        return [self._ns * command.get("loops", 0)] * 2

    def close(self) -> None:
        """Do nothing."""


def test_two_commits_take_turns_and_the_slower_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commits are measured in each round, and a ratio beyond its noise is said to have moved."""
    monkeypatch.setattr(module, "Worker", _Worker)
    monkeypatch.setattr(module, "_unpack", lambda base, home: None)
    raw = compare("main", ["bulk_insert"], rounds=8)
    assert _Worker.asked.count("after") > 8
    assert _Worker.asked[-2:] in (["before", "after"], ["after", "before"])
    text = table(raw).splitlines()[-1]
    assert text == "| bulk insert of 10,000 | warm | 1.500 | - | slower |"
