"""The pytest plugin by its name within the package, for ``pytest -p``; it lives beside the package."""

from tenantguard_pytest import (
    as_tenant,
    assert_isolated,
    bypasses,
    pytest_addoption,
    pytest_configure,
    pytest_fixture_setup,
    pytest_runtest_call,
    pytest_runtest_setup,
    pytest_runtest_teardown,
    tenant_token,
    tenantguard_labs,
    two_tenants,
    violations,
)

__all__ = [
    "as_tenant",
    "assert_isolated",
    "bypasses",
    "pytest_addoption",
    "pytest_configure",
    "pytest_fixture_setup",
    "pytest_runtest_call",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "tenant_token",
    "tenantguard_labs",
    "two_tenants",
    "violations",
]
