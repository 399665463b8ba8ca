"""The Alembic plug-in, with which autogenerate compares a database's row security with the tenancy.

Alembic loads it before it is fully loaded itself, so nothing of Alembic is imported here. ``env.py`` says what to
compare: ``context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "tenantguard"], tenancy=tenancy,
tenancy_roles=Roles("app"), tenancy_sealed=True)``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

_LAST = 10  # of Alembic's priorities: after the tables themselves


def setup(plugin: Any) -> None:
    """Register the comparison; Alembic calls this if the package is installed."""
    plugin.add_autogenerate_comparator(
        _compare, "autogenerate", "tenancy", qualifier="postgresql", priority=_LAST
    )


def _compare(context: Any, operations: Any) -> None:
    import_module("tenantguard.postgres.migrations.comparison").compare(context, operations)


class _Plugin(ModuleType):
    """This module, also as the collection of modules for which Alembic 1.18 and 1.19 took what a plug-in names.

    They iterate it, and no import of Alembic succeeds where that fails (sqlalchemy/alembic#1873).
    """

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _Plugin
