"""Conditions: how a row belongs, as SQL for PostgreSQL's policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid
from sqlalchemy.types import TypeEngine

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import identifier, literal, relation
from tenantguard.sql.exactness import exact_column, name_of
from tenantguard.sql.servers.rule_policies import DIALECT, OWN, TOLD, read_once
from tenantguard.sql.text.resolution.catalog import PERMISSIONS
from tenantguard.tenancy import Placement, table_key


@dataclass(frozen=True)
class Reading:
    """The expressions through which a policy reads the tenant and its permissions.

    Attributes:
        tenant: the tenant, as an expression of text.
        permissions: the permissions, between spaces.
    """

    tenant: str
    permissions: str

    @property
    def somebody(self) -> str:
        """Return the condition that a tenant is set: after a transaction a setting is '', which a row could contain."""
        return f"(SELECT {self.tenant} <> '')"


SETTINGS = Reading(TOLD, f"current_setting('{PERMISSIONS}', true)")
SEALED = Reading(f"{OWN}.sealed_tenant()", f"{OWN}.sealed_permissions()")  # each verifies what it returns


def owned(placement: Placement, read: Reading) -> str:
    """Return the condition that the tenant column equals the tenant."""
    if placement.python_type not in (str, int, UUID):
        raise ConfigurationError(
            f"{placement.name}.{placement.column} has a custom type whose form in the database is not "
            "known; use String, Integer or Uuid, or a TypeDecorator that says its python_type"
        )
    if isinstance(placement.type._unwrapped_dialect_impl(DIALECT), Uuid) and not _is_native(placement.type):
        raise ConfigurationError(
            f"{placement.name}.{placement.column} holds UUIDs as text, in a form that the policies are not told; use "
            "Uuid() without native_uuid=False"
        )
    column, tenant = identifier(placement.column or ""), read_once(read.tenant, placement.type)
    exact = exact_column(placement.type, placement.python_type, DIALECT.name)
    if exact is None:
        return f"{column} = {tenant}"
    # an index serves the second, which takes "acme " for "acme"
    return f"{exact.format(column)} = {tenant} AND {column} = (SELECT {read.tenant}::bpchar)"


def _is_native(type_: TypeEngine[Any]) -> bool:
    return name_of(type_, DIALECT.name) == "UUID"


def leads(child: str, pairs: Iterable[tuple[str, str]], parent: str, *, lock: str | None = None) -> str:
    """Return the condition that a referenced row is visible, according to the parent's own policies.

    Args:
        child: what the columns of the key are qualified with.
        pairs: the names of its columns, and those of the parent's.
        parent: the parent's whole name.
        lock: the row is that of now, and not of an older snapshot, and is locked: ``SHARE`` or ``KEY SHARE``.
    """
    alias = f"{OWN}_parent"
    link = " AND ".join(
        f"{alias}.{identifier(theirs)} = {child}.{identifier(ours)}" for ours, theirs in pairs
    )
    locked = "" if lock is None else f" FOR {lock} OF {alias}"
    return f"EXISTS (SELECT 1 FROM {parent} AS {alias} WHERE {link}{locked})"


def through(placement: Placement, schema: str) -> str:
    """Return the condition that a row's parent is visible."""
    parent = relation(table_key(placement.parent), schema)
    return leads(identifier(placement.key[1]), placement.link, parent)


def permitted(read: Reading, *alternatives: frozenset[str]) -> str:
    """Return the condition that the principal has all permissions of one of several sets, read once per statement."""
    held = f"string_to_array({read.permissions}, ' ')"
    sets = [f"{held} @> ARRAY[{', '.join(map(literal, sorted(needed)))}]" for needed in alternatives]
    return f"(SELECT {' OR '.join(sets)})"
