"""Expected results of legitimate operations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    func,
    select,
)

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Shape


def same(got: Any, expected: Any) -> None:
    """Raise where two collections of rows differ, whatever their order."""
    left, right = sorted(map(repr, got)), sorted(map(repr, expected))
    if left != right:
        raise AssertionError(f"got {left[:5]}, the tenant's own rows give {right[:5]}")


def equal(got: Any, expected: Any) -> None:
    if got != expected:
        raise AssertionError(f"got {got!r}, the tenant's own rows give {expected!r}")


def keys(shape: Shape, rows: Any) -> list[Any]:
    return [shape.ident(row) for row in rows]


def idents(shape: Shape, objects: Any) -> list[Any]:
    return [shape.ident({c.key: getattr(one, c.key) for c in shape.columns}) for one in objects]


def own_values(shape: Shape) -> list[tuple[Any, ...]]:
    return [tuple(row[c.key] for c in shape.columns) for row in shape.a]


def count(lab: Lab, shape: Shape) -> int:
    return int(lab.rows(select(func.count()).select_from(shape.table))[0][0])


def link_values(pair: Any, row: Any) -> list[Any]:
    return [row[ours.key] for ours, _ in pair.link]


def children_counts(pair: Any) -> list[int]:
    wanted = [pair.to(row) for row in pair.parent.a]
    return [sum(all(c[k] == v for k, v in want.items()) for c in pair.child.a) for want in wanted]


def stamped(lab: Lab, shape: Shape, new: int) -> None:
    rows = lab.rows(select(shape.tenant))
    same([row[0] for row in rows], [lab.a] * (len(shape.a) + new))


def refers(pair: Any, child: Any, parent: Any) -> bool:
    return all(child[key] == value for key, value in pair.to(parent).items())
