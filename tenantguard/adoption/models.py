"""Models: the MetaData that ``module:name`` names, and how to import it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData

from tenantguard.errors import ConfigurationError


@dataclass(frozen=True)
class Models:
    """The MetaData of an application.

    Attributes:
        metadata: the MetaData.
        imports: the line that imports it.
        expression: the expression for it after that line.
    """

    metadata: MetaData
    imports: str
    expression: str


def models_of(target: str, found: Any) -> Models:
    """Return the MetaData that a target names, directly or as a declarative base.

    Args:
        target: ``module:name``.
        found: the object it names.

    Raises:
        ConfigurationError: it is neither, or has no tables.
    """
    module, _, name = target.partition(":")
    metadata, expression = found, name
    if not isinstance(found, MetaData):
        metadata, expression = getattr(found, "metadata", None), f"{name}.metadata"
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"{target} is neither a MetaData nor a declarative base ({type(found).__name__}); "
            "write module:Base or module:metadata"
        )
    if not metadata.tables:
        raise ConfigurationError(
            f"{target} has no tables: import the modules of the models too, with --import module"
        )
    return Models(metadata, f"from {module} import {name.partition('.')[0]}", expression)
