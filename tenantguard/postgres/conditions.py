"""Conditions: how a row belongs, as PostgreSQL's policies ask it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import identifier, literal, relation
from tenantguard.sql.servers.rule_policies import OWN, TOLD, tenant_setting
from tenantguard.sql.text.placing.catalog import PERMISSIONS
from tenantguard.tenancy import Placement, table_key

SEALED = f"(SELECT {OWN}.sealed())"
SOMEBODY = (
    f"(SELECT {TOLD} <> '')"  # the setting is '' after a transaction, which a row could hold as its tenant
)


def owned(placement: Placement) -> str:
    """Return the condition that the tenant column holds the tenant."""
    if placement.python_type not in (str, int, UUID):
        raise ConfigurationError(
            f"{placement.name}.{placement.column} has a type of the application's own, whose form in the database is "
            "not known: use String, Integer or Uuid, or a TypeDecorator that says its python_type"
        )
    return f"{identifier(placement.column or '')} = {tenant_setting(placement.type)}"


def leads(child: str, pairs: Iterable[tuple[str, str]], parent: str, *, now: bool = False) -> str:
    """Return the condition that the row which a foreign key names is seen; the parent's own policies say by whom.

    Args:
        child: what the columns of the key are qualified with.
        pairs: the names of its columns, and those of the parent's.
        parent: the parent's whole name.
        now: the row is that of now, and not of an older snapshot; it is locked.
    """
    alias = f"{OWN}_parent"
    link = " AND ".join(
        f"{alias}.{identifier(theirs)} = {child}.{identifier(ours)}" for ours, theirs in pairs
    )
    lock = f" FOR SHARE OF {alias}" * now
    return f"EXISTS (SELECT 1 FROM {parent} AS {alias} WHERE {link}{lock})"


def through(placement: Placement, schema: str) -> str:
    """Return the condition that a row's parent is seen."""
    parent = relation(table_key(placement.parent), schema)
    return leads(identifier(placement.key[1]), placement.link, parent)


def permitted(*alternatives: frozenset[str]) -> str:
    """Return the condition that whoever acts has all permissions of one of several sets, read once for a statement."""
    told = f"string_to_array(current_setting('{PERMISSIONS}', true), ' ')"
    sets = [f"{told} @> ARRAY[{', '.join(map(literal, sorted(needed)))}]" for needed in alternatives]
    return f"(SELECT {' OR '.join(sets)})"
