"""Fixtures of the checks."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def worker_name(pytestconfig: pytest.Config) -> str:
    """Return what tells this process's roles from those of others on the same server."""
    return str(getattr(pytestconfig, "workerinput", {}).get("workerid", "main"))
