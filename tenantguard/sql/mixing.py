"""Mixing in: a class that holds the members of its mixin itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import CellType, FunctionType
from typing import Any


def mixed(name: str, base: type, mixin: type, members: Mapping[str, Any]) -> type:
    """Return a subclass of ``base`` that has the members of a mixin as its own, and not the mixin as a base.

    CPython looks a name up in every class of an object's MRO wherever its cache of types has lost it. In a compiler of
    seven classes more, that was a third of what the guard added to the first compilation of a statement.

    Args:
        name: the name of the class.
        base: what ``super()`` in the mixin's methods goes to.
        mixin: a class, with its own bases, of which none overrides what another has.
        members: what the class has besides.

    Raises:
        TypeError: one of them does.
    """
    cell = CellType()
    own: dict[str, Any] = {}
    for part in mixin.__mro__[:-1]:  # without object
        for key, value in vars(part).items():
            if key[:2] == "__" and not isinstance(value, FunctionType):
                continue  # what Python itself puts into a class, which is more with each version
            if key in own:
                raise TypeError(f"{part.__name__}.{key} is overridden, and a mixin has no super() of its own")
            own[key] = _of(cell, value) if isinstance(value, FunctionType) else value
    made = type(name, (base,), {**own, **members})
    cell.cell_contents = made
    return made


def _of(cell: CellType, function: FunctionType) -> FunctionType:
    """Return a method whose ``super()`` begins at the class in ``cell``."""
    names = function.__code__.co_freevars
    if "__class__" not in names:
        return function
    held = dict(zip(names, function.__closure__ or (), strict=True)) | {"__class__": cell}
    made = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(held.values()),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
