"""Secured tables: what each table of a tenancy needs in PostgreSQL, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Table

from tenantguard.errors import ConfigurationError
from tenantguard.placements.placement import is_view
from tenantguard.postgres.commands import Policy, commands
from tenantguard.postgres.conditions import leads
from tenantguard.postgres.spelling import body, identifier, identifiers, relation
from tenantguard.sql.servers.rule_policies import OWN, digest
from tenantguard.tenancy import Key, Placement, Reference, Tenancy, full_name, table_key

_SNAPSHOT = "current_setting('transaction_isolation') IN ('repeatable read', 'serializable')"
_WRITES = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Tie:
    """A foreign key whose parent must be visible to the writer.

    A policy cannot check this: PostgreSQL refuses one that reads its own table as infinite recursion, and evaluates
    policies before the rows of the same statement exist. So a trigger checks it when the key itself is checked.

    Attributes:
        name: of its function, and of the trigger for INSERT.
        columns: the columns of the key.
        condition: that the parent is seen.
        parent: its name, for the message.
        deferred: when the database checks the key: ``None`` at once, or what a constraint trigger says.
        before: ask before the row is there, since a row rule could be fulfilled by the row itself.
        still: that the parent is seen now, where the transaction's snapshot is older and may show another tenant's as
            its own; ``None`` where a row rule shows it, since only rows that may be changed can be locked.
    """

    name: str
    columns: tuple[str, ...]
    condition: str
    parent: str
    deferred: str | None = None
    before: bool = False
    still: str | None = None

    @property
    def names(self) -> tuple[str, str]:
        """Return the names of its triggers, for INSERT and for UPDATE."""
        return self.name, f"{self.name}_update"

    @property
    def function(self) -> str:
        """Return the qualified name of its function."""
        return f"{OWN}.{identifier(self.name)}"

    @property
    def body(self) -> str:
        """Return the body of its function, as in the catalogue."""
        still = "" if self.still is None else f" OR {_SNAPSHOT} AND NOT {self.still}"
        return (
            f"BEGIN IF NOT {self.condition}{still} THEN RAISE foreign_key_violation USING MESSAGE = "
            f"format('%s on %I.%I names a row of %s that is not there for this tenant', "
            f"lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME, '{self.parent}'); END IF; RETURN NEW; END"
        )

    def create(self, table: str) -> Iterator[str]:
        """Yield the statements that create it; the function runs with the writer's rights."""
        names = [identifier(name) for name in self.columns]
        given = " AND ".join(f"NEW.{name} IS NOT NULL" for name in names)
        changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in names)
        yield (
            f"CREATE OR REPLACE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path = pg_catalog, pg_temp AS {body(self.body)}"
        )
        yield f"REVOKE ALL ON FUNCTION {self.function}() FROM PUBLIC"
        # another trigger can change a key that the UPDATE does not name, so UPDATE OF would miss it
        yield self._trigger(self.names[0], "INSERT", table, given)
        yield self._trigger(self.names[1], "UPDATE", table, f"{given} AND ({changed})")

    def _trigger(self, name: str, event: str, table: str, condition: str) -> str:
        kind = "TRIGGER" if self.deferred is None else "CONSTRAINT TRIGGER"
        moment = "BEFORE" if self.before else "AFTER"
        deferred = "" if self.deferred is None else f"{self.deferred} "
        return (
            f"CREATE {kind} {identifier(name)} {moment} {event} ON {table} {deferred}FOR EACH ROW "
            f"WHEN ({condition}) EXECUTE FUNCTION {self.function}()"
        )


@dataclass(frozen=True)
class Secured:
    """The protection of one table.

    Attributes:
        placement: how it belongs.
        name: its qualified name.
        is_view: whether it is a view, which runs with its reader's rights.
        policies: its policies; none for a table that every tenant may read.
        ties: its foreign keys that policies alone do not protect.
        grants: the application role's privileges on it.
    """

    placement: Placement
    name: str
    is_view: bool
    policies: tuple[Policy, ...]
    ties: tuple[Tie, ...]
    grants: tuple[str, ...]


def secured(tenancy: Tenancy, schema: str, *, sealed: bool) -> list[Secured]:
    """Return the protection of each table of a tenancy.

    Args:
        tenancy: how every table belongs.
        schema: the schema of tables that name none.
        sealed: ask for the seal as well.

    Raises:
        ConfigurationError: the tenancy has faults, or a table cannot be held by a policy; all are listed.
    """
    if not isinstance(tenancy, Tenancy):
        raise ConfigurationError(f"policies are written from a Tenancy, not {type(tenancy).__name__}")
    tenancy.verify()
    tables, faults = [], []
    parents = _parents(tenancy)
    for placement in tenancy:
        try:
            tables.append(_secured(tenancy, placement, schema, sealed, parents))
        except ConfigurationError as error:
            faults.append(str(error))
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigurationError(f"no policies can be written, {len(faults)} fault(s):\n{listed}")
    return tables


def _parents(tenancy: Tenancy) -> frozenset[Key]:
    """Return the tables that foreign keys reference."""
    tables = [placement.mapping for placement in tenancy if placement.mapping is not None]
    referenced = {reference.parent_key for table in tables for reference in tenancy.references(table)}
    through = {table_key(placement.parent) for placement in tenancy if placement.parent is not None}
    return frozenset(referenced | through)


def _secured(
    tenancy: Tenancy, placement: Placement, schema: str, sealed: bool, parents: frozenset[Key]
) -> Secured:
    name, table = relation(placement.key, schema), placement.mapping
    view = table is not None and is_view(table)
    policies: tuple[Policy, ...] = ()
    if not view and placement.kind != "shared":
        policies = commands(placement, schema, sealed=sealed, is_parent=placement.key in parents)
    ties = () if view or table is None else tuple(_ties(tenancy, placement, table, schema))
    return Secured(placement, name, view, policies, ties, ("SELECT",) if view else _grants(placement))


def _grants(placement: Placement) -> tuple[str, ...]:
    if placement.kind == "shown":
        columns = identifiers(sorted(placement.changeable))
        return ("SELECT", f"UPDATE ({columns})") if columns else ("SELECT",)
    return ("SELECT",) if placement.kind == "shared" and not placement.writable else _WRITES


def _ties(tenancy: Tenancy, placement: Placement, table: Table, schema: str) -> Iterator[Tie]:
    for reference in tenancy.references(table):
        parent = tenancy.find_key(reference.parent_key)
        if parent is None or parent.kind == "shared" or _covers(placement, parent, reference):
            continue
        ruled_parent, whole = follows_rule(tenancy, parent), relation(parent.key, schema)
        name = digest(relation(placement.key, schema), *reference.columns, whole)
        yield Tie(
            # Triggers fire by their names. One that asks before the row is there has to be the last, and one that asks
            # afterwards comes before "RI_...", PostgreSQL's own, whose error would tell which keys others have.
            f"zz_{OWN}_{name}" if ruled_parent else f"A_{OWN}_{name}",
            reference.columns,
            leads("NEW", reference.pairs, whole, lock=None if ruled_parent else "KEY SHARE"),
            full_name(parent.key).replace("'", "''"),
            None if ruled_parent else _deferred(reference),
            before=ruled_parent,
            still=None if ruled_parent else leads("NEW", reference.pairs, whole, lock="SHARE"),
        )


def follows_rule(tenancy: Tenancy, placement: Placement) -> bool:
    """Return whether a row rule affects who sees a table."""
    while placement.kind == "through" and placement.parent is not None:
        placement = tenancy.of(placement.parent)
    return placement.visible is not None


def _covers(placement: Placement, parent: Placement, reference: Reference) -> bool:
    """Return whether a key is already protected by a key that includes the tenant, or by the policies."""
    if placement.kind == "through":
        return placement.link == reference.pairs
    return placement.kind == parent.kind == "owned" and (placement.column, parent.column) in reference.pairs


def _deferred(reference: Reference) -> str | None:
    if not reference.constraint.deferrable:
        return None
    return f"DEFERRABLE INITIALLY {str(reference.constraint.initially or 'IMMEDIATE').upper()}"
