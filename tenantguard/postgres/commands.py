"""Commands: the policies of one table, one for each command, and the restrictive ones beneath them."""

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
    """One policy of row security.

    Attributes:
        name: its name, which no other of the table has.
        command: ``SELECT``, ``INSERT``, ``UPDATE``, ``DELETE``, or ``ALL`` of them.
        using: the condition on rows that are there, where the command meets any.
        check: the condition on rows that come to be.
        restrictive: it takes away from what others give.
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
        sealed: ask for the seal as well.
        is_parent: a foreign key names it.
    """
    shown, floor = (
        [_permitted(policy, placement, read, is_parent) for policy in _policies(placement, schema, read)]
        for read in (SETTINGS, SEALED)
    )
    return (*shown, *(_restrictive(floor) if sealed else [_for_all(SETTINGS.somebody)]))


def _for_all(condition: str) -> Policy:
    return Policy(_FLOOR, "ALL", using=condition, check=condition, restrictive=True)


def _restrictive(policies: list[Policy]) -> Iterator[Policy]:
    """Yield what the seal takes away: the same conditions, on what was verified, in one policy where they are one.

    A policy that asks whether the settings are sealed, beside another that reads them, is no seal: a statement can
    set one tenant for the one, and another for the other.
    """
    conditions = {said for policy in policies for said in (policy.using, policy.check) if said is not None}
    if len(conditions) == 1:
        yield _for_all(conditions.pop())
        return
    for policy in policies:
        yield replace(policy, name=f"{_FLOOR}_{policy.command.lower()}", restrictive=True)


def _policies(placement: Placement, schema: str, read: Reading) -> Iterator[Policy]:
    """Yield a policy for each command: a condition ``FOR ALL`` would widen what is read by what is written."""
    if placement.kind == "shown":
        shown = ruled(placement, read.tenant)
        yield Policy(f"{OWN}_select", "SELECT", using=shown)
        if placement.changeable:
            yield Policy(f"{OWN}_update", "UPDATE", using=shown, check=shown)
        return
    mine = _mine(placement, schema, read)
    shown = mine if placement.visible is None else f"({mine}) OR ({ruled(placement, read.tenant)})"
    yield Policy(f"{OWN}_select", "SELECT", using=shown)
    yield Policy(f"{OWN}_insert", "INSERT", check=mine)
    yield Policy(f"{OWN}_update", "UPDATE", using=mine, check=mine)
    yield Policy(f"{OWN}_delete", "DELETE", using=mine)


def _mine(placement: Placement, schema: str, read: Reading) -> str:
    """Return the condition that a row is the tenant's own."""
    if placement.kind == "owned":
        return owned(placement, read)
    if read is SEALED and placement.visible is None:
        return read.somebody  # the parent's policies ask who, and the seal with it
    return through(placement, schema)


def _permitted(policy: Policy, placement: Placement, read: Reading, is_parent: bool) -> Policy:
    """Return a policy that asks as well for the permission that its command takes.

    It never keeps out what the guard lets in. A row that a foreign key names is looked up and locked by whoever may
    write the other one, so such a table is read by everybody, and is kept from being changed where the new row is
    checked, which no lock asks for. A write looks at rows too, so that whoever may write may read.
    """
    said = placement.permitted
    if said is None:
        return policy
    if policy.command == "SELECT":
        if is_parent or not said.read or not said.write:
            return policy
        return replace(policy, using=f"({policy.using}) AND {permitted(read, said.read, said.write)}")
    if not said.write:
        return policy
    asked = permitted(read, said.write)
    if policy.check is not None:
        return replace(policy, check=f"({policy.check}) AND {asked}")
    return replace(policy, using=f"({policy.using}) AND {asked}")
