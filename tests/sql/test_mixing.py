"""Mixing in: a class that holds its mixin's members itself behaves as one that has the mixin as a base."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard.sql.mixing import mixed


class Base:
    """Be what is mixed into."""

    def told(self, *, loud: bool = False) -> str:
        """Tell."""
        return "base!" if loud else "base"


class Lower:
    """Be the mixin's own base, with what Python 3.13 puts into a class."""

    __firstlineno__ = 1
    __static_attributes__: tuple[str, ...] = ("made",)
    seen = "lower"

    def __init__(self) -> None:
        self.made = self.told()

    def told(self, *, loud: bool = True) -> str:
        """Tell what the base tells, in a nested call as well."""
        said: Any = super()
        return "mixed " + "".join([said.told(loud=loud) for _ in range(1)])


class Upper(Lower):
    """Be the mixin, with the same."""

    __firstlineno__ = 2
    __static_attributes__ = ()
    more = 1


def test_a_method_goes_on_to_the_base() -> None:
    """``super()`` is the base, whatever subclasses there are, and defaults stay."""
    cls: Any = mixed("Mixed", Base, Upper, {"own": 3})
    other: Any = mixed("Other", Base, Upper, {})
    for made in (cls(), type("Sub", (cls,), {})(), other()):
        assert (made.told(), made.told(loud=False), made.made) == ("mixed base!", "mixed base", "mixed base!")
    assert (cls.seen, cls.more, cls.own, cls.__mro__) == ("lower", 1, 3, (cls, Base, object))


def test_what_is_overridden_is_an_error() -> None:
    """One class holds one method of a name, so the mixin's own ``super()`` would be lost."""
    over = type("Over", (Lower,), {"told": lambda _self: "over"})
    with pytest.raises(TypeError, match=r"Lower\.told is overridden"):
        mixed("Mixed", Base, over, {})
