"""Conditions: how a row belongs, as PostgreSQL's policies ask it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import CHAR, String, literal_column, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import DIALECT, OWN, identifier, relation
from tenantguard.sql.text.placing.catalog import SETTING
from tenantguard.tenancy import Placement, table_key

TOLD = f"current_setting('{SETTING}', true)"
SEALED = f"(SELECT {OWN}.sealed())"
SOMEBODY = (
    f"(SELECT {TOLD} <> '')"  # the setting is '' after a transaction, which a row could hold as its tenant
)


def tenant_setting(type_: TypeEngine[Any]) -> str:
    """Return the tenant that was told, in a column's type, read once for each table in a statement."""
    cast = _cast(type_)
    return f"(SELECT {TOLD})" if cast is None else f"(SELECT {TOLD}::{cast})"


def _cast(type_: TypeEngine[Any]) -> str | None:
    """Return the type that the setting is cast to; one with a length would cut a longer tenant to another's id."""
    plain = type_.dialect_impl(DIALECT)
    plain = getattr(plain, "impl_instance", plain)
    if isinstance(plain, CHAR):
        return "bpchar"
    return None if isinstance(plain, String) else str(type_.compile(DIALECT))


def owned(placement: Placement) -> str:
    """Return the condition that the tenant column holds the tenant."""
    if placement.python_type not in (str, int, UUID):
        raise ConfigurationError(
            f"{placement.name}.{placement.column} has a type of the application's own, whose form in the database is "
            "not known: use String, Integer or Uuid, or a TypeDecorator that says its python_type"
        )
    return f"{identifier(placement.column or '')} = {tenant_setting(placement.type)}"


def leads(child: str, pairs: Iterable[tuple[str, str]], parent: str, alias: str = f"{OWN}_parent") -> str:
    """Return the condition that the row which a foreign key names is seen; the parent's own policies say by whom.

    Args:
        child: what the columns of the key are qualified with.
        pairs: the names of its columns, and those of the parent's.
        parent: the parent's whole name.
        alias: what it goes by.
    """
    link = " AND ".join(
        f"{alias}.{identifier(theirs)} = {child}.{identifier(ours)}" for ours, theirs in pairs
    )
    return f"EXISTS (SELECT 1 FROM {parent} AS {alias} WHERE {link})"


def through(placement: Placement, schema: str) -> str:
    """Return the condition that a row's parent is seen."""
    parent = relation(table_key(placement.parent), schema)
    return leads(identifier(placement.key[1]), placement.link, parent)


def ruled(placement: Placement) -> str:
    """Return the row rule's condition, for the tenant that was told.

    Raises:
        ConfigurationError: a value in it cannot be written into a policy.
    """
    assert placement.visible is not None
    assert placement.mapping is not None
    tenant: Any = literal_column(tenant_setting(placement.type), placement.type)
    query: Any = select(literal_column("1")).select_from(placement.mapping)
    try:
        asked = query.where(placement.visible(placement.mapping, tenant))
        told = str(asked.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError, AttributeError) as error:
        raise ConfigurationError(
            f"the row rule of {placement.name} cannot be written as a policy: {error}"
        ) from error
    return told.removeprefix(f"{query.compile(dialect=DIALECT)} \nWHERE ")
