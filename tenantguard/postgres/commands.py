"""Commands: the policies of one table, one per command, and the restrictive policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tenantguard.postgres.conditions import (
    SEALED,
    SETTINGS,
    Reading,
    owned,
    permitted,
    through,
)
from tenantguard.postgres.spelling import identifier
from tenantguard.sql.servers.rule_policies import OWN, ruled
from tenantguard.tenancy import Placement

_FLOOR = f"{OWN}_seal"
_WORDS = ("select", "insert", "update", "delete")
NAMES = (*(f"{OWN}_{word}" for word in _WORDS), _FLOOR, *(f"{_FLOOR}_{word}" for word in _WORDS))


@dataclass(frozen=True)
class Policy:
    """One row-security policy.

    Attributes:
        name: its name, unique in the table.
        command: ``SELECT``, ``INSERT``, ``UPDATE``, ``DELETE``, or ``ALL``.
        using: the condition on existing rows, if the command reads any.
        check: the condition on new rows.
        restrictive: whether it restricts what other policies allow.
    """

    name: str
    command: str
    using: str | None = None
    check: str | None = None
    restrictive: bool = False

    def create(self, table: str, role: str) -> str:
        """Return the statement that creates it."""
        kind = " AS RESTRICTIVE" * self.restrictive
        using = "" if self.using is None else f" USING ({self.using})"
        check = "" if self.check is None else f" WITH CHECK ({self.check})"
        return f"CREATE POLICY {self.name} ON {table}{kind} FOR {self.command} TO {identifier(role)}{using}{check}"


def commands(placement: Placement, schema: str, *, sealed: bool, is_parent: bool) -> tuple[Policy, ...]:
    """Return the policies of a table.

    Args:
        placement: how it belongs.
        schema: the schema of tables that name none.
        sealed: whether to check the seal as well.
        is_parent: whether a foreign key references it.
    """
    shown, floor = (
        [_permitted(policy, placement, read, is_parent) for policy in _policies(placement, schema, read)]
        for read in (SETTINGS, SEALED)
    )
    return (*shown, *(_restrictive(floor) if sealed else [_for_all(SETTINGS.somebody)]))


def _for_all(condition: str) -> Policy:
    return Policy(_FLOOR, "ALL", using=condition, check=condition, restrictive=True)


def _restrictive(policies: list[Policy]) -> Iterator[Policy]:
    """Yield the restrictive policies of the seal: the same conditions on verified values, combined if they are equal.

    One policy that checks whether the settings are sealed, next to another that reads them, would not be safe: a
    statement could set a different tenant for each.
    """
    parts = [part for policy in policies for part in (policy.using, policy.check)]
    conditions = {part for part in parts if part is not None}
    if len(conditions) == 1:
        yield _for_all(conditions.pop())
        return
    for policy in policies:
        yield replace(policy, name=f"{_FLOOR}_{policy.command.lower()}", restrictive=True)


def _policies(placement: Placement, schema: str, read: Reading) -> Iterator[Policy]:
    """Yield a policy per command, because a ``FOR ALL`` condition would let reads see rows meant for writes."""
    if placement.kind == "shown":
        shown = ruled(placement, read.tenant)
        yield Policy(f"{OWN}_select", "SELECT", using=shown)
        if placement.changeable:
            yield Policy(f"{OWN}_update", "UPDATE", using=shown, check=shown)
        return
    belongs = _belongs(placement, schema, read)
    shown = belongs if placement.visible is None else f"({belongs}) OR ({ruled(placement, read.tenant)})"
    yield Policy(f"{OWN}_select", "SELECT", using=shown)
    yield Policy(f"{OWN}_insert", "INSERT", check=belongs)
    yield Policy(f"{OWN}_update", "UPDATE", using=belongs, check=belongs)
    yield Policy(f"{OWN}_delete", "DELETE", using=belongs)


def _belongs(placement: Placement, schema: str, read: Reading) -> str:
    """Return the condition that a row belongs to the tenant."""
    if placement.kind == "owned":
        return owned(placement, read)
    if read is SEALED and placement.visible is None:
        return read.somebody  # the parent's policies ask who, and the seal with it
    return through(placement, schema)


def _permitted(policy: Policy, placement: Placement, read: Reading, is_parent: bool) -> Policy:
    """Return a policy that also checks the permission for its command.

    It never refuses what the guard allows. A referenced row is looked up and locked by everyone who may write the
    referencing row, so everybody can read such a table, and changes are refused by the check of the new row, which
    a lock does not trigger. A write also reads rows, so everyone who may write can read.
    """
    permissions = placement.permitted
    if permissions is None:
        return policy
    if policy.command == "SELECT":
        if is_parent or not permissions.read or not permissions.write:
            return policy
        return replace(
            policy, using=f"({policy.using}) AND {permitted(read, permissions.read, permissions.write)}"
        )
    if not permissions.write:
        return policy
    condition = permitted(read, permissions.write)
    if policy.check is not None:
        return replace(policy, check=f"({policy.check}) AND {condition}")
    return replace(policy, using=f"({policy.using}) AND {condition}")
