"""The command line, ``tenantguard ...``, on Typer and Rich.

The commands are loaded when the program starts, not when this package is imported, so that a missing extra is
reported in one sentence.
"""

from __future__ import annotations

import sys

_NEEDED = ("alembic", "hypothesis", "pytest", "rich", "sqlglot", "typer")


def main() -> None:
    """Run the command line."""
    try:
        from tenantguard.cli.app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _NEEDED:
            raise
        sys.exit(f"the command line needs {missing}; install the extra: pip install 'tenantguard[cli]'")
    app()
