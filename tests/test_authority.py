"""Permissions and step-up: who acts may do what is required, or is told what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tenantguard import (
    ConfigurationError,
    NoTenantError,
    PermissionDeniedError,
    Principal,
    StepUpError,
    bind,
    bypass,
    requires,
)
from tenantguard.asgi.responses import challenge
from tenantguard.audit import MemorySink

NOW = 1_800_000_000.0


def ada(*permissions: str, **claims: Any) -> Principal:
    """Return somebody with permissions and claims."""
    return Principal("ada", "acme", frozenset(permissions), claims)


@pytest.mark.parametrize(
    ("held", "enough"),
    [
        (("a", "b", "c"), True),
        (("a", "b", "d"), True),
        (("a", "b"), False),
        (("a", "c"), False),
        (("c", "d"), False),
        ((), False),
    ],
)
def test_all_of_these_and_one_of_those(held: tuple[str, ...], enough: bool) -> None:
    """A permission counts by its exact text."""
    requirement = requires("a", "b", any_of=["c", "d"])
    with bind(ada(*held, "A", "a b")):
        if enough:
            assert requirement.check().subject == "ada"
        else:
            with pytest.raises(PermissionDeniedError) as refused:
                requirement.check()
            assert refused.value.needed == ("a", "b", "c", "d")


def test_a_refusal_is_recorded(record: MemorySink) -> None:
    """With whom, and what was missing."""
    with (
        bind(ada("calls:read")),
        pytest.raises(PermissionDeniedError, match="ada lacks a permission: calls:write"),
    ):
        requires("calls:read", "calls:write").check()
    assert [(one.kind, one.tenant, one.subject) for one in record.events] == [("permission", "acme", "ada")]


def test_nobody_is_permitted_nothing() -> None:
    """A binding without a principal has no permissions; nothing bound is an error of its own."""
    requirement = requires("a")
    with pytest.raises(NoTenantError):
        requirement.check()
    with bind("acme"), pytest.raises(PermissionDeniedError, match="no principal with known permissions"):
        requirement.check()


def test_a_bypass_keeps_who_acts() -> None:
    """A requirement before it decides by the request's own principal."""
    with bind(ada("support")), requires("support") as who, bypass(reason="look"):
        assert who.subject == "ada"
    with bind(ada()), pytest.raises(PermissionDeniedError):  # noqa: SIM117
        with requires("support"), bypass(reason="look"):
            pytest.fail("the bypass was opened")


@requires("a")
def plain() -> int:
    """Be a function."""
    return 1


@requires("a")
def several() -> Iterator[int]:
    """Be a generator."""
    yield 1


@requires("a")
async def later() -> int:
    """Be a coroutine."""
    return 1


@requires("a")
async def streamed() -> AsyncIterator[int]:
    """Be an asynchronous generator."""
    yield 1


async def _first_of(stream: AsyncIterator[int]) -> int:
    return await anext(stream)


CALLS = {
    "a function": plain,
    "a generator": lambda: next(several()),
    "a coroutine": lambda: asyncio.run(later()),
    "an asynchronous generator": lambda: asyncio.run(_first_of(streamed())),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_each_kind_of_function_is_checked_before_it_runs(call: Any) -> None:
    """And stays of its kind."""
    with bind(ada("a")):
        assert call() == 1
    with bind(ada()), pytest.raises(PermissionDeniedError):
        call()


SIGN_INS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "several factors": ({"mfa": True}, {"amr": ["pwd", "otp", "mfa"]}, True),
    "one factor": ({"mfa": True}, {"amr": ["pwd"]}, False),
    "nobody says": ({"mfa": True}, {}, False),
    "a text that holds the word": ({"mfa": True}, {"amr": "mfa"}, False),
    "a context": ({"acr": "phr"}, {"acr": "phr"}, True),
    "one of several": ({"acr": ["phr", "phrh"]}, {"acr": "phrh"}, True),
    "another context": ({"acr": "phr"}, {"acr": "1"}, False),
    "no context": ({"acr": "phr"}, {}, False),
    "a list of contexts": ({"acr": "phr"}, {"acr": ["phr"]}, False),
    "recent": ({"max_age": 300}, {"auth_time": NOW - 300}, True),
    "a while ago": ({"max_age": 300}, {"auth_time": NOW - 301}, False),
    "by a clock a little ahead": ({"max_age": 300}, {"auth_time": NOW + 30}, True),
    "in the future": ({"max_age": 300}, {"auth_time": NOW + 31}, False),
    "nobody says when": ({"max_age": 300}, {}, False),
    "no number": ({"max_age": 300}, {"auth_time": str(NOW)}, False),
    "a truth": ({"max_age": 1e12}, {"auth_time": True}, False),
}


@pytest.mark.parametrize(("asked", "claims", "enough"), SIGN_INS.values(), ids=SIGN_INS.keys())
def test_how_somebody_signed_in(asked: dict[str, Any], claims: dict[str, Any], enough: bool) -> None:
    """What nobody says was not done."""
    requirement = requires(**asked, clock=lambda: NOW)
    with bind(ada(**claims)):
        if enough:
            requirement.check()
        else:
            with pytest.raises(StepUpError):
                requirement.check()


def test_the_challenge_says_what_is_needed() -> None:
    """As RFC 9470 has it."""
    with bind(ada()), pytest.raises(StepUpError) as refused:
        requires(acr=["phr", "phrh"], max_age=300).check()
    assert challenge(refused.value) == (
        'Bearer error="insufficient_user_authentication", '
        'error_description="A stronger or more recent authentication is needed", '
        'acr_values="phr phrh", max_age="300"'
    )


WRONG: dict[str, Any] = {
    "nothing": lambda: requires(),
    "an empty permission": lambda: requires(" "),
    "a number": lambda: requires(5),  # type: ignore[arg-type]
    "one text for several": lambda: requires(any_of="ab"),
    "an age that is none": lambda: requires(max_age=-1),
    "a truth for an age": lambda: requires(max_age=True),
    "a class": lambda: requires("a")(int),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG.keys())
def test_what_requires_nothing_is_refused_at_once(make: Any) -> None:
    """Else it would let everybody in."""
    with pytest.raises(ConfigurationError):
        make()
