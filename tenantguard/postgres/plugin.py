"""The plug-in of Alembic: where it is loaded, autogenerate compares the row security of a database with the tenancy.

Alembic loads it while it is only half loaded itself, so nothing of it is imported here. ``env.py`` says what to
compare: ``context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "tenantguard"], tenancy=tenancy,
tenancy_roles=Roles("app"), tenancy_sealed=True)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LAST = 10  # of Alembic's priorities: after the tables themselves


def setup(plugin: Any) -> None:
    """Register the comparison; Alembic calls it where the package is installed."""
    plugin.add_autogenerate_comparator(
        _compare, "autogenerate", "tenancy", qualifier="postgresql", priority=_LAST
    )


def _compare(context: Any, operations: Any) -> None:
    import_module("tenantguard.postgres.migrations.comparison").compare(context, operations)
