"""Read-back: a write whose values are not plain parameters returns what it stored, or is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tenantguard.errors import CrossTenantError
from tenantguard.sql.compile.access import granted, refuse_unread
from tenantguard.sql.compile.pieces import base_of
from tenantguard.sql.compile.predicate_text import belongs
from tenantguard.sql.elements import NamedColumn
from tenantguard.sql.plans import Link, ReadBack, WritePlan
from tenantguard.sql.returning import with_columns

_MARIADB = ("mysql", "mariadb")


def returned(compiler: Any, plan: WritePlan, target: Any, text: str, *, toplevel: bool) -> str:
    """Return the text of a write, extended to return the values to verify in the stored rows.

    Args:
        compiler: the compiler, after it rendered the statement.
        plan: what must be verified.
        target: the written table or its alias.
        text: the statement.
        toplevel: whether it is not inside another statement.
    """
    stored, tg = plan.stored, compiler.tg
    if stored is not None and plan.where is not None and not stored.granted:
        stored.links, plan.links = _once([*stored.links, *plan.links]), []
        tg.stored = stored
        return text
    fault = _fault(compiler, plan.verb, toplevel=toplevel)
    if stored is None:
        if toplevel and plan.links:
            plan.spare = _spare(compiler, plan, target, returns=fault is None)
        return text
    if fault is not None:
        _refuse(compiler, stored, fault)
        return text
    stored.links, plan.links = _once([*stored.links, *plan.links]), []
    _render(compiler, stored, target)
    tg.stored = stored
    return with_columns(text, stored.texts, compiler.tg_returning)


def _spare(compiler: Any, plan: WritePlan, target: Any, *, returns: bool) -> ReadBack | None:
    """Return how the keys in parameters are read back, in case no look-up can verify them."""
    if plan.certain and (not returns or compiler.dialect.name == "postgresql"):
        return None
    spare = ReadBack(plan, links=_once(plan.links))
    if returns:
        _render(compiler, spare, target)
    return spare


def _once(links: Iterable[Link]) -> list[Link]:
    """Return one link for each foreign key, of which each row of VALUES has one."""
    return list({(link.ours, link.parent_key): link for link in reversed(list(links))}.values())[::-1]


def _render(compiler: Any, read: ReadBack, target: Any) -> None:
    if read.tenant:
        read.texts.append(_verdict(compiler, read.plan, target))
    if read.granted:
        read.texts.append(_granted(compiler, read.plan, target))
    for link in read.links:
        read.texts += _columns(compiler, target, link.ours)
    key = _generated_key(compiler, read.plan)
    if key is not None:
        read.texts.append(key)
        read.key = True


def _fault(compiler: Any, verb: str, *, toplevel: bool) -> str | None:
    """Return why a write cannot be read back, or ``None``."""
    if not toplevel:
        return "inside another statement what is stored cannot be read back"
    if not getattr(compiler.dialect, f"{verb}_returning", False):
        return f"this database's {verb.upper()} does not return what it stored"
    return None


def _refuse(compiler: Any, stored: ReadBack, fault: str) -> None:
    names = [stored.plan.placement.column] if stored.tenant else []
    names += [name for link in stored.links for name in link.ours if name not in names]
    table = stored.plan.placement.name
    if stored.granted:
        refuse_unread(compiler, stored.plan.placement, fault)
        return
    compiler.tg.refuse(
        CrossTenantError(
            f"{stored.plan.verb} on {table} gives {', '.join(map(str, names))} as something other than a plain "
            f"parameter, and {fault}. Give the value itself",
            kind="unverifiable",
            table=table,
        )
    )


def _verdict(compiler: Any, plan: WritePlan, target: Any) -> str:
    """Render the column that says whether a row is the tenant's: 1 or 0."""
    condition = belongs(
        compiler, lambda name: _column(compiler, target, name), plan.placement, plan.placement.name
    )
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _granted(compiler: Any, plan: WritePlan, target: Any) -> str:
    """Render the column that says whether the rule grants a row to the principal: 1 or 0."""
    row = target if compiler.dialect.name == "postgresql" else base_of(target)  # as _column does
    return f"CASE WHEN {compiler.process(granted(compiler, row, plan.placement))} THEN 1 ELSE 0 END"


def _columns(compiler: Any, target: Any, names: Iterable[str]) -> list[str]:
    return [_column(compiler, target, name) for name in names]


def _column(compiler: Any, target: Any, name: str) -> str:
    """Render a column of the written row; only PostgreSQL allows other tables of an UPDATE there."""
    if compiler.dialect.name == "postgresql":
        return str(compiler.visit_column(NamedColumn(name, target)))
    return str(compiler.preparer.quote(name))


def _generated_key(compiler: Any, plan: WritePlan) -> str | None:
    """Render the key that the driver would return; MariaDB's drivers return none together with RETURNING."""
    column = getattr(plan.table, "_autoincrement_column", None)
    if plan.verb != "insert" or compiler.dialect.name not in _MARIADB or not compiler.postfetch_lastrowid:
        return None
    return None if column is None else str(compiler.preparer.quote(column.name))
