"""The public names: fixed, documented, and typed as their users will write them.

Mypy reads this file in strict mode: what is written here is what a user's type checker accepts.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type
from uuid import UUID

import pytest
from sqlalchemy import Engine, MetaData, create_engine, table
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import tenantguard
from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    Guard,
    NoTenantError,
    Principal,
    RawSQLError,
    Tenancy,
    TenantGuardError,
    TenantMiddleware,
    TenantSwitchError,
    TokenError,
    TokenVerifier,
    UnknownTableError,
    Violation,
    bind,
    bypass,
    carry,
    current,
    guard,
    shared,
    through,
)
from tenantguard.context import Binding
from tenantguard.tenancy import Placement, Shared, Through

NAMES = """
    Tenancy guard Guard TenantMiddleware TokenVerifier bind bypass current carry Principal
    TenantGuardError ConfigurationError TokenError IssuerUnavailableError NoTenantError
    Violation CrossTenantError ParentError MissingRowError TenantSwitchError RawSQLError UnknownTableError
    shared shared_writable through
    requires bypass_requires break_glass Actor PermissionDeniedError StepUpError
"""
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(tenantguard.__path__, "tenantguard.")
    if not module.name.startswith(("tenantguard.testing", "tenantguard.cli", "tenantguard.console"))
)


def test_the_public_names_are_these() -> None:
    """What a user imports is the agreed list, and nothing of it is missing."""
    assert set(tenantguard.__all__) == set(NAMES.split())
    assert all(hasattr(tenantguard, name) for name in tenantguard.__all__)


@pytest.mark.parametrize("name", sorted(NAMES.split()))
def test_a_public_name_is_documented(name: str) -> None:
    """Each class and function says in its first line what it is for."""
    public = getattr(tenantguard, name)
    if not isinstance(public, Shared):
        told = inspect.getdoc(public) or ""
        assert len(told.splitlines()[0]) > 20


@pytest.mark.parametrize("name", ["guard", "bind", "bypass", "current", "carry", "Principal", "Tenancy"])
def test_a_name_that_users_call_has_an_example(name: str) -> None:
    """What a user calls shows how; the next test runs the example."""
    public = getattr(tenantguard, name)
    examples = doctest.DocTestFinder(recurse=False).find(public, name, globs=vars(tenantguard).copy())
    assert sum(len(found.examples) for found in examples) > 0


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    """Whatever stands in a docstring as an example gives what it says."""
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_the_package_has_a_version() -> None:
    """The version is a number of three parts."""
    assert [part.isdigit() for part in tenantguard.__version__.split(".")] == [True] * 3


# what follows is read by mypy; the tests only see that it runs


def test_a_binding_is_typed() -> None:
    """The block gives the binding, whose tenant is a text, a number or a UUID."""
    with bind("acme") as binding:
        assert_type(binding, Binding)
        assert_type(binding.tenant, str | int | UUID)
        assert_type(binding.principal, Principal | None)
        assert_type(current(), Binding)
    with bind([1, 2]), bind(UUID(int=1)), bind(Principal("ada", 7)), bypass(reason="typed") as lifted:
        assert_type(lifted.bypassed, bool)


async def test_carrying_keeps_the_signature() -> None:
    """A carried callable is typed like the one that it carries."""

    def plain(a: int, *, b: str) -> float:
        return a + len(b)

    async def coroutine(a: int) -> str:
        return str(a)

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    checked: Callable[[int], Coroutine[Any, Any, str]] = carry(coroutine)
    assert_type(carry(plain)(1, b="x"), float)
    assert_type(carry(generator)(), Iterator[int])
    assert_type(carry(asynchronous)(), AsyncIterator[int])
    assert await checked(1) == "1"
    with ThreadPoolExecutor(1) as executor:
        assert_type(executor.submit(carry(len), "acme").result(), int)


async def test_guarding_keeps_the_kind_of_engine() -> None:
    """A guarded engine is typed as what it was, so that a session maker takes it."""
    tenancy = Tenancy(
        MetaData(), column="company_id", columns={}, through={}, shared=set(), shared_writable=()
    )
    engine, asynchronous = create_engine("sqlite://"), create_async_engine("sqlite+aiosqlite://")
    assert_type(guard(engine, tenancy), Engine)
    assert_type(guard(asynchronous, tenancy, raw_sql="refuse"), AsyncEngine)
    assert inspect.isclass(Guard)
    await asynchronous.dispose()


def test_a_tenancy_is_typed() -> None:
    """What the tenancy tells of a table is a placement."""
    assert_type(Tenancy.unrestricted(), Tenancy)
    assert_type(Tenancy.unrestricted().of(table("calls")), Placement)
    assert_type(through("call_id"), Through)
    assert_type(shared, Shared)


def test_an_error_is_typed() -> None:
    """The evidence of a violation is there for whoever handles it."""
    errors: Sequence[type[TenantGuardError]] = [
        ConfigurationError, TokenError, NoTenantError, Violation, CrossTenantError, TenantSwitchError, RawSQLError,
        UnknownTableError,
    ]  # fmt: skip
    assert len(errors) == 8
    try:
        raise CrossTenantError("no", table="calls")
    except Violation as violation:
        assert_type(violation.kind, str)
        assert_type(violation.table, str | None)
        assert_type(violation.statement, str | None)


def test_the_middleware_takes_any_verifier() -> None:
    """A verifier is whatever has the coroutine: ours, or a user's."""

    class Own:
        async def verify(self, token: str) -> Principal:
            raise TokenError("unknown")

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    ours = TokenVerifier(
        key="k" * 32, algorithms=["HS256"], audience="api", issuer="i", tenant_claim="company_id"
    )
    for verifier in (Own(), ours):
        TenantMiddleware(app, verifier=verifier, exempt=["/health"])
