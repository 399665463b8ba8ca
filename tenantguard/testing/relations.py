"""Two more relations of the same programs: the tenants' views add up to the whole, and the layers agree."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, and_, exists, func, select, text

from tenantguard.context import bind
from tenantguard.errors import TenantId
from tenantguard.postgres import Roles, Seal, install, uninstall
from tenantguard.sql.telling.seal import SEAL
from tenantguard.sql.text.resolution.catalog import SETTING
from tenantguard.testing.comparison import Outcome, Verdict, changes_of_others, compare, compare_seen
from tenantguard.testing.generator.program import Program
from tenantguard.testing.generator.schema import Schema, TableInfo
from tenantguard.testing.oracle import Oracle, stamping
from tenantguard.testing.witness import Raised

_NOT_BY_HAND = frozenset({"from: tablesample", "select: group by key"})  # these want the table itself


def examine(oracle: Oracle, program: Program, security: RowSecurity | None = None) -> Verdict:
    """Run a program under the oracle, and under each relation that holds for programs of its shape.

    Args:
        security: the policies of a PostgreSQL database, where the third layer is wanted.
    """
    verdict = oracle.run(program)
    more: list[str] = []
    if verdict.agrees and not verdict.refusals:
        if program.rowwise:
            more += partition(oracle, program)
        if program.rowwise or (program.plain and not program.shapes & _NOT_BY_HAND):
            more += by_hand(oracle, program)
        if security is not None:
            more += security.agrees(program)
    return Verdict(program, (*verdict.disagreements, *more), verdict.refusals, verdict.errors)


def partition(oracle: Oracle, program: Program) -> list[str]:
    """Compare the union of what every tenant sees with what an engine without a guard sees, row by row."""
    function = program.function(oracle.names)
    parts = []
    for tenant in oracle.data.tenants:
        with bind(tenant):
            parts.append(_rows(oracle.execute(oracle.together, program, function, tenant)))
    whole = _rows(oracle.execute(oracle.together, program, function, tenant, engine=oracle.together.bare))
    told = []
    if sum(parts, Counter[str]()) != whole:
        told.append("partition: what the tenants see together is not what everybody sees without a guard")
    if any(mine & yours for n, mine in enumerate(parts) for yours in parts[:n]):
        told.append("partition: two tenants see the same row")
    return told


def _rows(outcome: Outcome) -> Counter[str]:
    seen = [value for _, value in outcome.seen]
    return Counter(repr(row) for rows in seen for row in (rows if isinstance(rows, list) else [rows]))


def by_hand(oracle: Oracle, program: Program) -> list[str]:
    """Compare the guard with the same program over tables that were filtered by hand."""
    tenant = oracle.data.tenants[program.tenants[0]]
    filtered = {**oracle.names, **filters(oracle.schema, tenant)}
    with bind(tenant):
        guarded = oracle.execute(oracle.together, program, program.function(oracle.names), tenant)
    other = oracle.execute(
        oracle.together, program, program.function(filtered), tenant, engine=oracle.together.bare
    )
    return _differences(guarded, other, f"{tenant} (alone: filtered by hand)")


def _differences(guarded: Outcome, other: Outcome, who: str) -> list[str]:
    if any(isinstance(value, Raised) for _, value in other.seen):
        return []  # errors differ in kind between the layers; the oracle proper compares them
    return compare_seen(guarded.seen, other.seen, who)[0]


def filters(schema: Schema, tenant: TenantId) -> Mapping[str, Any]:
    """Return, under every table's name, a subquery of the rows that are the tenant's by a condition written out."""
    made: dict[str, Any] = {}
    for info in schema.tables.values():
        condition = condition_of(schema, info, tenant)
        if condition is not None:
            made[info.name] = select(info.table).where(condition).subquery(f"{info.name}_by_hand")
    return made


def condition_of(schema: Schema, info: TableInfo, tenant: Any) -> ColumnElement[bool] | None:
    """Return the tenant condition of a table as one would write it; ``None`` of a shared one."""
    placement = info.placement
    if placement.kind == "owned":
        column: ColumnElement[bool] = info.named(str(placement.column)).column == tenant
        return column
    if placement.kind == "shared" or placement.parent is None:
        return None
    parent = schema.tables[schema.name(placement.parent)]
    inner = condition_of(schema, parent, tenant)
    links = [info.named(ours).column == parent.named(theirs).column for ours, theirs in placement.link]
    found = exists().select_from(parent.table).where(and_(*links)).correlate(info.table)
    return found.where(inner) if inner is not None else found


def _defaults(schema: Schema, dialect: Dialect) -> Iterator[str]:
    """Yield the statements by which a tenant column that an INSERT leaves out is filled: it stands for the stamp."""
    quote = dialect.identifier_preparer
    for info in schema.tables.values():
        if info.tenant_column is not None and not info.roots:
            column = info.named(info.tenant_column).column
            yield (
                f"ALTER TABLE {quote.format_table(info.table)} ALTER COLUMN {quote.format_column(column)} SET DEFAULT "
                f"CAST(nullif(current_setting('{SETTING}', true), '') AS {column.type.compile(dialect)})"
            )


class RowSecurity:
    """A role in the oracle's own PostgreSQL database, and the tenancy's policies for it.

    Args:
        oracle: of a PostgreSQL server whose user may create roles.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.seal = oracle, Seal(secrets.token_bytes(32), pooled=True, lifetime=86_400)
        self.role = f"{oracle.together.name}_app"
        with oracle.together.bare.begin() as connection:
            install(connection, oracle.tenancy, Roles(self.role), seal=self.seal)
            for stamp in _defaults(oracle.schema, connection.dialect):
                connection.execute(text(stamp))

    def agrees(self, program: Program) -> list[str]:
        """Compare row security alone with the tenant's own database.

        The database's own errors differ from those of a row that is not there. Where there is one, what is left to
        compare of a write is that the rows of others are what they were.
        """
        oracle, tenant = self.oracle, self.oracle.data.tenants[program.tenants[0]]
        function, who = program.function(oracle.names), f"{tenant} (by row security)"
        right = oracle.right(program, function, tenant)
        with stamping(program, oracle.schema, tenant):
            secured = oracle.execute(
                oracle.together,
                program,
                function,
                tenant,
                engine=oracle.together.bare,
                within=self._entered(tenant),
            )
        if any(isinstance(value, Raised) for _, value in (*secured.seen, *right.seen)):
            return changes_of_others(secured, oracle.others[tenant], who)
        return list(compare(secured, right, oracle.others[tenant], who).disagreements)

    def _entered(self, tenant: TenantId) -> Callable[[Connection], AbstractContextManager[None]]:
        told = {SETTING: str(tenant), SEAL: self.seal.sign(str(tenant), 0)}

        @contextmanager
        def entered(connection: Connection) -> Iterator[None]:
            connection.execute(select(*(func.set_config(name, value, True) for name, value in told.items())))
            connection.execute(text(f"SET LOCAL ROLE {self.role}"))
            yield
            connection.execute(text("RESET ROLE"))

        return entered

    def close(self) -> None:
        """Drop the policies, and the role with its grants."""
        with self.oracle.together.bare.begin() as connection:
            uninstall(connection, self.oracle.tenancy)
            connection.execute(text(f"DROP OWNED BY {self.role}"))
            connection.execute(text(f"DROP ROLE {self.role}"))
