"""What a machine lacks: skipped where a user runs the tests, and a failure in CI, which has everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_without(reason: str) -> NoReturn:
    """Skip the test, or fail in CI.

    Args:
        reason: what is missing, and where it comes from.
    """
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI has everything, and {reason}")
    pytest.skip(reason)
