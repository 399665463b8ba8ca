"""The plan: a proposed placement for each table, with its reason; rows of doubtful tables are shown to nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Table, exists, false

from tenantguard.adoption.companies import Companies, Schema
from tenantguard.placements.placement import Placement, full_name, table_key, unique_columns
from tenantguard.placements.proposals import Proposal, Proposals, names_actor
from tenantguard.placements.references import Key, Reference
from tenantguard.tenancy import Tenancy

How = Literal["column", "columns", "through", "shared", "visible", "doubtful"]
# whose rows are the same for all wherever they are: each word of the name, or the whole of it
_LOOKED_UP = frozenset(
    {"alembic_version", "continent", "continents", "countries", "country", "country_code", "country_codes",
     "currencies", "currency", "currency_code", "currency_codes", "exchange_rate", "exchange_rates", "iso_countries",
     "iso_country", "iso_currencies", "iso_currency", "iso_language", "iso_languages", "language", "language_code",
     "language_codes", "languages", "locale", "locales", "measurement_unit", "measurement_units", "spatial_ref_sys",
     "time_zone", "time_zones", "timezone", "timezones", "unit_of_measure", "units_of_measure", "us_state",
     "us_states"}
)  # fmt: skip
_PREFIXES = frozenset({"ref", "lookup", "lkp", "lu", "dim", "core", "common", "geo", "tbl", "app", "base"})
_PERSONAL = re.compile(
    r"mail|phone|password|passwd|secret|token|session|(^|_)ip(_|$)|address|user|owner|author|creator|created_by|"
    r"updated_by|credit|iban|account|tenant|company|org(anization|anisation)?(_|$)|private|customer|client|price",
)


@dataclass(frozen=True)
class Proposed:
    """The proposed placement of one table.

    Attributes:
        table: the table.
        how: the argument of ``Tenancy(...)``; ``"column"`` if its tenant column has the usual name, ``"doubtful"``
            if a person has to decide.
        why: the reason, in a phrase.
        column: the tenant column, or the column of the foreign key.
        members: the foreign key of the membership table that decides who sees a row (visible).
        along: the foreign key to the table that the members belong to, if it is a different one.
        nullable: whether rows without a tenant may exist.
        note: a further remark.
    """

    table: Table
    how: How
    why: str
    column: str | None = None
    members: Reference | None = None
    along: Reference | None = None
    nullable: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """Return the table's name, with its schema if it has one."""
        return full_name(table_key(self.table))


@dataclass
class Plan:
    """The proposal for an application.

    Attributes:
        schema: its tables.
        companies: the table of the tenants, and the column that names them.
        tables: the placements, by name.
        faults: what has to be fixed in the models before ``guard()`` accepts the Tenancy, a sentence each.
    """

    schema: Schema
    companies: Companies
    tables: dict[Key, Proposed] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def having(self, how: How) -> list[Proposed]:
        """Return the tables with one kind of placement, by name."""
        found = [one for one in self.tables.values() if one.how == how]
        return sorted(found, key=lambda one: one.name)

    def tenancy(self) -> Tenancy:
        """Return the Tenancy that the plan describes."""
        rules: dict[str, Any] = {one.name: _rule(self, one) for one in self.having("visible")}
        return Tenancy(
            *self.schema.metadata,
            column=self.companies.column,
            columns={one.name: one.column or "" for one in self.having("columns")},
            through={one.name: one.column or "" for one in self.having("through")},
            shared={one.name for one in self.having("shared")},
            nullable={one.name for one in self.tables.values() if one.nullable},
            visible=rules | {one.name: _nothing for one in self.having("doubtful")},
        )


def propose(schema: Schema, companies: Companies) -> Plan:
    """Return a placement for every table, and the faults that the Tenancy still has.

    Args:
        schema: the tables.
        companies: the table of the tenants, and the column that names them.
    """
    plan = Plan(schema, companies)
    proposals = Proposals(_owned(schema, companies), schema.references, companies.column)
    for key, table in schema.tables.items():
        plan.tables[key] = _of(plan, key, table, proposals)
    for _ in range(len(schema.tables)):
        wrong = _wrong(plan)
        if not wrong:
            break
        for key, sentence in wrong.items():
            plan.tables[key] = Proposed(schema.tables[key], "doubtful", sentence)
    plan.faults = plan.tenancy().faults()
    return plan


def _owned(schema: Schema, companies: Companies) -> Mapping[Key, Placement]:
    """Return the placements that follow from the tenant column alone."""
    found = {}
    for key, table in schema.tables.items():
        column = next((one for one in table.columns if one.name == companies.column), None)
        if column is not None and table is not companies.table:
            found[key] = Placement(key, "owned", column.name, column.type, mapping=table)
    return found


def _of(plan: Plan, key: Key, table: Table, proposals: Proposals) -> Proposed:
    companies = plan.companies
    if table is companies.table:
        return Proposed(table, "columns", f"the companies themselves: {companies.why}", companies.key)
    column = next((one for one in table.columns if one.name == companies.column), None)
    if column is not None:
        parent = next((one for one in proposals.parents(key) if _tells_more(plan, one, proposals)), None)
        if column.nullable and parent is not None:
            why = f"{column.name} may be NULL, and each row hangs on one of {full_name(parent.parent_key)}"
            return Proposed(table, "through", why, parent.columns[0])
        members = proposals.members(key)
        is_of_several = members is not None and proposals.ties_nothing_else(members)
        return _by_column(plan, table, column, members if is_of_several else None)
    likely = proposals.likely(key)
    if likely.kind == "owned" and likely.column is not None:
        why = f"its key {likely.column} leads to the companies"
        nullable = bool(table.columns[_key(table, likely.column)].nullable)
        return Proposed(table, "columns", why, likely.column, nullable=nullable)
    if likely.kind == "through" and likely.reference is not None:
        optional = [one for one in proposals.parents(key) if not one.is_required and not names_actor(one)]
        return _through(plan, table, likely.reference, optional)
    if likely.kind == "shown" and likely.members is not None:
        return _shown(table, likely)
    return _unowned(plan, key, table)


def _tells_more(plan: Plan, reference: Reference, proposals: Proposals) -> bool:
    """Return whether a parent always has a company, for a table whose own column may be NULL."""
    key = reference.parent_key
    if not reference.is_required or names_actor(reference):
        return False
    if plan.schema.tables[key] is plan.companies.table:
        return True
    column = next((one for one in plan.schema.tables[key].columns if one.name == plan.companies.column), None)
    if column is not None:
        return not column.nullable
    above = next(proposals.parents(key), None)
    return above is not None and _tells_more(plan, above, proposals)


def _by_column(plan: Plan, table: Table, column: Any, members: Reference | None) -> Proposed:
    """Place a table by its tenant column, unless its rows belong to several companies and it names the active one."""
    if column.nullable and members is not None and members.table is not table:
        why = f"{members.table.fullname} says whose they are; {column.name} may be NULL, and names one of several"
        # the column would win over the rule, so the rule widens what it shows
        return Proposed(table, "visible", why, column.name, members=members, nullable=True)
    why = f"its column {column.name}"
    if column.nullable:
        why += " may be NULL: rows without a company are seen in a bypass only"
    return Proposed(table, "column", why, column.name, nullable=bool(column.nullable))


def _through(plan: Plan, table: Table, reference: Reference, optional: list[Reference]) -> Proposed:
    """Place a table through its parent, unless it has several possible parents."""
    parent = full_name(reference.parent_key)
    if reference.is_required:
        return Proposed(table, "through", f"each row hangs on one of {parent}", reference.columns[0])
    if len(optional) > 1 and not _is_tied(table, reference):
        several = ", ".join(one.columns[0] for one in optional)
        why = f"it may hang on one of several ({several}), and a table belongs through one key"
        return Proposed(table, "doubtful", f"{why}: give it the column {plan.companies.column}")
    why = f"its rows hang on {parent}; {reference.columns[0]} may be NULL, and such rows are seen by nobody"
    return Proposed(table, "through", why, reference.columns[0])


def _is_tied(table: Table, reference: Reference) -> bool:
    """Return whether a table is named after a parent, or has only NOT NULL foreign keys."""
    parent = reference.parent_key[1].removesuffix("s")
    return str(table.name).startswith(parent) or all(column.foreign_keys for column in table.columns)


def _shown(table: Table, likely: Proposal) -> Proposed:
    members = likely.members
    assert members is not None
    if likely.reference is None:
        why = f"several companies have them: {members.table.fullname} says who"
        return Proposed(table, "visible", why, members=members)
    above = full_name(likely.reference.parent_key)
    why = f"each row is of one of {above}, whom {members.table.fullname} ties to companies"
    return Proposed(table, "visible", why, members=members, along=likely.reference)


def _unowned(plan: Plan, key: Key, table: Table) -> Proposed:
    """Place a table without a key that leads to a company; it is shared only if its name leaves no doubt."""
    users = plan.schema.pointing_at(key)
    personal = sorted(column.name for column in table.columns if _PERSONAL.search(column.name.lower()))
    outgoing = [one for one in plan.schema.references[key] if one.parent_key != key]
    if (
        _is_looked_up(table.name)
        and not personal
        and all(_is_looked_up(one.parent_key[1]) for one in outgoing)
    ):
        used = f", and {len(users)} keys look it up" if users else ""
        return Proposed(table, "shared", f"the same for everybody by its name{used}")
    if personal:
        why = f"nothing ties it to a company, and it has {', '.join(personal[:3])}"
    elif outgoing:
        parents = sorted({full_name(one.parent_key) for one in outgoing})
        why = f"its keys lead to {', '.join(parents[:3])}, and to no company"
    else:
        why = "nothing ties it to a company"
        why += "; it looks like a list that is looked up" if users and _is_listed(table) else ""
    return Proposed(
        table, "doubtful", f'{why}: shared={{"{full_name(key)}"}} if every company may read every row'
    )


def _is_listed(table: Table) -> bool:
    """Return whether rows of a table are identified by a name or code."""
    names = {"code", "name", "slug", "key", "value", "label"}
    return any(len(columns) == 1 and columns <= names for columns in unique_columns(table))


def _is_looked_up(name: str) -> bool:
    bare = name.lower()
    first, _, rest = bare.partition("_")
    return bare in _LOOKED_UP or (first in _PREFIXES and rest in _LOOKED_UP)


def _wrong(plan: Plan) -> dict[Key, str]:
    """Return the tables whose proposed placement a Tenancy would reject, with the reason."""
    found: dict[Key, str] = {}
    for sentence in plan.tenancy().faults():
        key = _table_of(plan, sentence)
        # the usual tenant column places a table whatever else is said of it
        if key is not None and plan.tables[key].how in ("columns", "through", "shared", "visible"):
            found[key] = sentence
    return found


def _table_of(plan: Plan, sentence: str) -> Key | None:
    """Return the table that a fault is about: the first whose name it contains."""
    names = {one.name: key for key, one in plan.tables.items() if one.how != "doubtful"}
    for word in re.findall(r"[\w.]+", sentence):
        for name in (word, word.rpartition(".")[0]):
            if name in names:
                return names[name]
    return None


def _rule(plan: Plan, one: Proposed) -> Any:
    """Return the proposed row rule of a table, equal to the one that is printed."""
    members, along = one.members, one.along
    assert members is not None
    tie = members.table.columns[_key(members.table, members.columns[0])]
    tenant = members.table.columns[_key(members.table, tenant_column(plan, members.table))]
    ours = along.columns[0] if along is not None else members.pairs[0][1]
    mine = _key(one.table, ours)
    return lambda table, bound: exists().where(tie == table.c[mine], tenant == bound)


def tenant_column(plan: Plan, table: Table) -> str:
    """Return the name of the tenant column of an owned table."""
    placed = plan.tables.get(table_key(table))
    return (placed.column if placed is not None else None) or plan.companies.column


def _nothing(_table: Any, _tenant: Any) -> Any:
    return false()


def _key(table: Table, name: str) -> str:
    """Return the Python key of a column by its name in the database."""
    return next(column.key for column in table.columns if column.name == name)
