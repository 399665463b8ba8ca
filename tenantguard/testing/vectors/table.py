"""The table of vectors: each is a small function with a name and a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tenantguard.testing.vectors.lab import Lab

Group = Literal["reads", "writes", "identity map", "raw SQL", "context", "cache", "pool", "dialect"]
GROUPS: tuple[Group, ...] = (
    "reads",
    "writes",
    "identity map",
    "raw SQL",
    "context",
    "cache",
    "pool",
    "dialect",
)
Attack = Callable[["Lab"], Any]


class Outcome(StrEnum):
    """The outcome of a vector."""

    HELD = "held"
    REFUSED = "refused"
    LEAKED = "leaked"
    LIMIT = "known limit"
    ERROR = "error"
    FAULT = "fault of the kit"
    NOT_APPLICABLE = "not applicable"


class NotApplicable(Exception):
    """The schema or the database lacks what a vector needs."""


@dataclass(frozen=True)
class Vector:
    """An escape, or a legitimate operation.

    Attributes:
        name: lower-case words joined by ``_``; never reused for another escape.
        group: where it belongs.
        tries: one sentence, what it tries.
        run: the function; what it returns is searched for the victim's values.
        bound: whether it starts with the attacker bound, as a request does.
        legitimate: an operation on the attacker's own rows, which must work.
        limit: why the guard does not hold it, as ``docs/guarantees.md`` says; ``None`` for nearly all.
    """

    name: str
    group: Group
    tries: str
    run: Attack
    bound: bool = True
    legitimate: bool = False
    limit: str | None = None


class VectorTable:
    """The vectors by name, in the order of their definition."""

    def __init__(self) -> None:
        self._vectors: dict[str, Vector] = {}

    def add(
        self, group: Group, *, bound: bool = True, legitimate: bool = False, limit: str | None = None
    ) -> Callable[[Attack], Attack]:
        """Return a decorator that adds a function under its own name; its docstring says what it tries."""

        def keep(run: Attack) -> Attack:
            name, tries = run.__name__, (run.__doc__ or "").strip()
            if name in self._vectors:
                raise ValueError(f"there are two vectors named {name!r}")
            self._vectors[name] = Vector(name, group, tries, run, bound, legitimate, limit)
            return run

        return keep

    def __iter__(self) -> Iterator[Vector]:
        return iter(self._vectors.values())

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, name: str) -> Vector:
        return self._vectors[name]


vectors = VectorTable()
legitimate_operations = VectorTable()


def attack(group: Group, *, bound: bool = True, limit: str | None = None) -> Callable[[Attack], Attack]:
    """Add a function to the vectors; see ``Vector``."""
    return vectors.add(group, bound=bound, limit=limit)


def legitimate(group: Group) -> Callable[[Attack], Attack]:
    """Add a function to the legitimate operations: it raises ``AssertionError`` where the guard broke one."""
    return legitimate_operations.add(group, legitimate=True)
