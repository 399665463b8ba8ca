"""Row rules: what one shows is widened by the caller's parameters, by the statement around it, or by an earlier answer.

Each vector has a tenancy of its own, in which one owned table is shown by a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    and_,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from tenantguard.context import current
from tenantguard.sql.install import guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.vectors.judge import Leak
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack

Rule = Callable[[Any, Any, Any], Any]  # of the table, a shared one, and the tenant


def _ruled(lab: Lab, rule: Rule) -> tuple[Any, Table, Table]:
    """Return an engine on which a rule shows rows of an owned table, that table, and a shared one."""
    o, s, metadata = lab.owned, lab.shared, MetaData()
    owned, shared = (
        Table(
            shape.table.name,
            metadata,
            *[Column(c.name, c.type, primary_key=c.primary_key, nullable=False) for c in columns],
            schema=shape.table.schema,
        )
        for shape, columns in ((o, dict.fromkeys([*o.key, o.tenant, o.text])), (s, s.key))
    )
    engine = lab.kits_engine()
    if lab.guarded:
        tenancy = Tenancy(
            metadata,
            columns={owned.fullname: o.tenant.name},
            shared={shared.fullname},
            visible={
                owned.fullname: lambda table, tenant: or_(
                    table.c[o.tenant.name] == tenant, rule(table, shared, tenant)
                )
            },
        )
        engine = guard(engine, tenancy)
    return engine, owned, shared


@attack("reads")
def rule_parameter_overwritten(lab: Lab) -> Any:
    """Give a parameter that has the name of a row rule's own value."""
    name = lab.owned.text.name
    engine, owned, _ = _ruled(lab, lambda table, *_: table.c[name] == "shown to everybody")
    given = {f"{name}_{n}": lab.owned.b[0][lab.owned.text.key] for n in range(3)}
    return lab.connect(engine).execute(select(owned.c[name]), given).all()


@attack("reads")
def rule_correlated(lab: Lab) -> Any:
    """Read the table that a row rule's subquery reads beside the one that it shows."""
    o, s = lab.owned, lab.shared
    key = s.pk.name
    engine, owned, shared = _ruled(lab, lambda _, other, __: ~exists().where(other.c[key].is_not(None)))
    beside = select(owned.c[o.text.name]).join(shared, shared.c[key].is_(None), isouter=True)
    return lab.connect(engine).execute(beside).all()


@attack("reads")
def rule_of_an_earlier_tenant(lab: Lab) -> Any:
    """Ask after the victim, for whom a row rule's value was another one."""
    engine, owned, _ = _ruled(lab, lambda table, *_: table.c[lab.owned.tenant.name] == current().tenant)
    query = select(owned.c[lab.owned.text.name])
    with lab.victim(), engine.connect() as connection:
        connection.execute(query).all()
    return lab.connect(engine).execute(query).all()


def _searching(lab: Lab) -> Rule:
    """Return a rule that looks for the tenant in a text."""
    if not isinstance(lab.a, str):
        raise NotApplicable("the tenant is no text")
    return lambda table, _, tenant: table.c[lab.owned.text.name].contains(tenant)


@attack("reads")
def rule_that_searches_for_the_tenant(lab: Lab) -> Any:
    """Search with a row rule that looks for the tenant in a text, with the pattern given as a parameter."""
    name = lab.owned.text.name
    engine, owned, _ = _ruled(lab, _searching(lab))
    given = {f"{name}_{n}": "" for n in range(3)} | {"tenantguard_1": "", "tenantguard_2": ""}
    query = select(owned.c[name]).where(owned.c[name].contains(""))
    return lab.connect(engine).execute(query, given).all()


@attack("writes")
def row_that_a_search_shows_is_written(lab: Lab) -> Any:
    """Change a row of the victim's that a rule shows, since it holds the tenant's name."""
    rule = _searching(lab)
    engine, owned, _ = _ruled(lab, lambda table, *more: or_(rule(table, *more), literal("a") == "a"))
    change = update(owned).where(_key_of_the_victims(lab, owned)).values({lab.owned.text.name: "taken"})
    with engine.begin() as connection:
        connection.execute(change)
    return None


def _key_of_the_victims(lab: Lab, owned: Any) -> Any:
    return and_(*[owned.c[column.name] == lab.owned.b[0][column.key] for column in lab.owned.key])


@attack("writes")
def row_rekeyed_that_others_are_shown(lab: Lab) -> Any:
    """Give another key to a row that everybody is shown, which the database copies into others' rows."""
    kind, metadata = lab.owned.tenant.type, MetaData()
    templates, documents = (
        Table(
            f"tg_{name}",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("company_id", kind, nullable=False),
            *more,
        )
        for name, more in (
            ("templates", ()),
            ("documents", (Column("template_id", ForeignKey("tg_templates.id", onupdate="CASCADE")),)),
        )
    )
    for table, rows in ((templates, [{"id": 1}]), (documents, [{"id": 1, "template_id": 1}])):
        lab.remove_later("TABLE", table.name)
        lab.arrange(CreateTable(table))
        owner = lab.a if table is templates else lab.b
        lab.arrange(insert(table).values([{**row, "company_id": owner} for row in rows]))
    engine = lab.kits_engine()
    if lab.guarded:
        shown = {"tg_templates": lambda source, _tenant: source.c.id > 0}
        engine = guard(engine, Tenancy(metadata, column="company_id", visible=shown))
    with engine.begin() as connection:
        connection.execute(update(templates).where(templates.c.id == 1).values(id=2))
    moved = lab.peek("SELECT template_id FROM tg_documents") != [(1,)]
    return Leak("the key of the victim's row was changed") if moved else None
