"""Run the attack vectors against other mechanisms, and count what gets through each.

Five ways to keep tenants apart: none; SQLAlchemy's recipe of query hooks; PostgreSQL's row security alone, as it is
written by hand, and as ``tenantguard.postgres`` installs it; and the guard. Each is installed in the same place, on the
same schema, and attacked by the same vectors. Of our policies it is said why the database does not hold what gets
through, and what it could have held ends the run with 1.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, event, exists, func, inspect, select, text
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, with_loader_criteria

from scripts.sealed_policies import SealedPolicies, account
from tenantguard import Tenancy, guard
from tenantguard.context import peek
from tenantguard.testing.attack import Report, attack, chosen, laboratory
from tenantguard.testing.generator.schema import Schema
from tenantguard.testing.relations import condition_of
from tenantguard.testing.vectors import VECTORS, Outcome
from tenantguard.testing.vectors.copies import sync_url
from tenantguard.testing.vectors.lab import mappers_of
from tenantguard.testing.vectors.models import tenancy as models
from tenantguard.testing.vectors.table import GROUPS
from tests.servers import running

Protect = Callable[[Any], Any]
ROLE, SETTING = "mechanisms_app", "mechanisms.tenant"


def _nothing(engine: Any) -> Any:
    return engine


def _guarded(engine: Any) -> Any:
    return guard(engine, models)


def _column(table: Any, name: str) -> Any:
    return next((column for column in table.c if column.name == name), None)


class QueryHooks:
    """Add criteria to every ORM statement, in the way of SQLAlchemy's documentation.

    Args:
        tenancy: what tells the tenant column of each mapped class, or the way to it.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self._engines: set[Any] = set()
        event.listen(Session, "do_orm_execute", self._narrow)

    def __call__(self, engine: Any) -> Any:
        """Protect the sessions of one more engine."""
        self._engines.add(getattr(engine, "sync_engine", engine))
        return engine

    def _narrow(self, state: ORMExecuteState) -> None:
        bound = peek()
        engine = getattr(state.session.get_bind(), "engine", None)
        if engine not in self._engines or bound is None or bound.bypassed:
            return
        if state.is_select or state.is_update or state.is_delete:
            options = [
                with_loader_criteria(mapper.class_, condition, include_aliases=True)
                for mapper in mappers_of(self._tenancy)
                if (condition := self._condition(mapper, bound.tenants)) is not None
            ]
            state.statement = state.statement.options(*options)

    def _condition(self, mapper: Mapper[Any], tenants: Sequence[Any]) -> Any:
        """Return what a row of a class has to fulfil: the tenant column, or an EXISTS on the parent."""
        placed = self._tenancy.of(mapper.local_table)
        if placed.kind == "shared":
            return None
        table, conditions = mapper.local_table, []
        while placed.kind == "through" and placed.parent is not None:
            parent = placed.parent.alias()
            links = [_column(table, ours) == _column(parent, theirs) for ours, theirs in placed.link]
            conditions.append((parent, links))
            table, placed = parent, self._tenancy.of(placed.parent)
        mine = _column(table, str(placed.column))
        if mine is None:
            return None  # a second mapping that leaves the column out: the recipe has nothing to name
        found: Any = mine.in_(tenants)
        for parent, links in reversed(conditions):
            found = exists(select(parent).where(*links, found).correlate_except(parent))
        return found

    def close(self) -> None:
        """Take the hook out."""
        event.remove(Session, "do_orm_execute", self._narrow)


class RowSecurity:
    """Connect as a role that policies hold to the tenant, which each transaction is told.

    Args:
        tenancy: what the policies are written from.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._schema = Schema(tenancy.metadata, tenancy)
        self._ready: set[str | None] = set()

    def __call__(self, engine: Any) -> Any:
        """Protect one more engine, and its database where it has no policies yet."""
        core: Engine = getattr(engine, "sync_engine", engine)
        if core.url.database not in self._ready:
            self._secure(core)
        event.listen(core, "do_connect", lambda _d, _r, _a, parameters: parameters.update(user=ROLE))
        event.listen(core, "begin", self._tell)
        return engine

    def _tell(self, connection: Any) -> None:
        bound = peek()
        tenant = str(bound.tenant) if bound is not None and len(bound.tenants) == 1 else ""
        connection.execute(select(func.set_config(SETTING, tenant, True)))

    def _secure(self, core: Engine) -> None:
        admin = create_engine(sync_url(core.url))
        with admin.begin() as connection:
            known = set(inspect(connection).get_table_names())
            if known:
                self._ready.add(core.url.database)
                for statement in self._statements(admin, known):
                    connection.execute(text(statement.replace(":", "\\:")))
        admin.dispose()

    def _statements(self, admin: Engine, known: set[str]) -> list[str]:
        role = f"CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL"
        made = [f"DO $$ BEGIN {role}; END $$", f"GRANT ALL ON SCHEMA public TO {ROLE}"]
        made += [
            f"GRANT ALL ON ALL {things} IN SCHEMA public TO {ROLE}" for things in ("TABLES", "SEQUENCES")
        ]
        for info in self._schema.tables.values():
            condition = condition_of(self._schema, info, func.current_setting(SETTING, True))
            if condition is None or info.table.name not in known:
                continue
            using = condition.compile(admin, compile_kwargs={"literal_binds": True})
            name = admin.dialect.identifier_preparer.format_table(info.table)
            made += [
                f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY own ON {name} TO {ROLE} USING ({using}) WITH CHECK ({using})",
            ]
        return made


def counted(url: str, protect: Protect, groups: Sequence[str]) -> Report:
    """Run the vectors of some groups against one mechanism."""
    vectors = [vector for vector in chosen(groups or GROUPS) if not vector.legitimate]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with laboratory(models, url, protect=protect) as lab:
            return attack(lab, vectors)


def row(told: str, report: Report) -> list[str]:
    """Return a line of the table: how many got through, in all and by group."""
    through = Counter(
        found.vector.group for found in report.results if found.outcome in (Outcome.LEAKED, Outcome.LIMIT)
    )
    ran = sum(found.outcome is not Outcome.NOT_APPLICABLE for found in report.results)
    broke = len(report.errors)
    return [
        report.dialect,
        told,
        *map(str, (ran, sum(through.values()), broke)),
        *(str(through[g]) for g in GROUPS),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack each mechanism where it exists, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", action="append", default=[], choices=GROUPS, help="these groups only")
    groups = parser.parse_args(arguments).group
    table = Table(
        "database", "mechanism", "ran", "got through", "broke", *GROUPS, title=f"{len(VECTORS)} vectors"
    )
    hooks = QueryHooks(models)
    with running() as servers:
        postgresql = servers.url("postgresql")
        tried: list[tuple[str, str, Protect]] = [
            ("sqlite://", "none", _nothing),
            ("sqlite://", "query hooks", hooks),
            ("sqlite://", "tenantguard", _guarded),
            (postgresql, "none", _nothing),
            (postgresql, "query hooks", hooks),
            (postgresql, "row security alone", RowSecurity(models)),
            (postgresql, "sealed policies alone", SealedPolicies(models)),
            (postgresql, "tenantguard", _guarded),
        ]
        reasons: list[str] = []
        for url, told, protect in tried:
            report = counted(url, protect, groups)
            table.add_row(*row(told, report))
            reasons += account(report) if isinstance(protect, SealedPolicies) else []
    hooks.close()
    console = Console(width=140)
    console.print(table)
    console.print("What gets through sealed policies alone:", *reasons, sep="\n")
    return 0 if reasons[-1].startswith("0 ") else 1


if __name__ == "__main__":
    sys.exit(main())
