"""The pytest plugin of ``make sqlalchemy-suite``: guard every engine, and write each test's outcome down.

``Dialect.engine_created`` reaches every engine that is made, so that no test has to be touched. Where
``TENANTGUARD_SUITE_GUARD`` is not set the engines stay as they are, and only the outcomes are written.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

_GUARD = "TENANTGUARD_SUITE_GUARD"
_OUTCOMES = "TENANTGUARD_SUITE_OUTCOMES"
_ADDRESS = re.compile(r"0x[0-9a-f]+")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Guard the engines before the suite makes its first one."""
    if os.environ.get(_GUARD):
        _guard_every_engine()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Outcomes(Path(os.environ[_OUTCOMES])))


def _guard_every_engine() -> None:
    from sqlalchemy.engine.interfaces import Dialect

    from tenantguard import Tenancy, guard

    def engine_created(cls: Any, engine: Any) -> None:
        guard(engine, Tenancy.unrestricted(), dialect_unproven=True)

    Dialect.engine_created = classmethod(engine_created)  # type: ignore[method-assign,assignment]  # the point


class _Outcomes:
    """Write a line per test: its name and its outcome, the worst of its phases."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._worst: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase of one test."""
        outcome: str = "error" if report.failed and report.when != "call" else report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xfailed" if report.skipped else "xpassed"
        known = self._worst.get(report.nodeid, "passed")
        self._worst[report.nodeid] = outcome if known == "passed" else known

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        lines = (json.dumps([_ADDRESS.sub("0x", name), outcome]) for name, outcome in self._worst.items())
        self._path.write_text("\n".join(lines))
