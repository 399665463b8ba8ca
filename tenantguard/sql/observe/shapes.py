"""Shapes: what the guard would do to one compiled statement, learned by compiling it once separately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.sql.selectable import SelectBase

from tenantguard import audit
from tenantguard.audit.events import fingerprint, masked
from tenantguard.audit.sinks import called_by
from tenantguard.errors import NoTenantError, Violation
from tenantguard.sql.elements import RuleParameter, TenantParameter
from tenantguard.sql.execute.direct_text import Sent
from tenantguard.sql.text import is_begin, local_setting, shared_write
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Placement

_VERBS = (("isinsert", "insert"), ("isupdate", "update"), ("isdelete", "delete"), ("isplaintext", "text"))


class Shape:
    """The guard's effect on a statement.

    Attributes:
        statement: the SQL with every literal masked.
        fingerprint: equal for statements of the same shape.
        verb: what it does.
        era: the guard's tables were so defined when it was found out.
        fault: the refusal that awaits it, if any.
        needs: a tenant has to be bound for it.
        asks: the permissions that whoever acts needs for it, if any.
        kinds: the types that the tenant may have, if its columns tell.
        tenant: the parameters in which a write names its tenant, and their tables.
        links: the foreign keys that are looked up.
        tables: the tables of a tenant's that it names.
        changes: what the guard would do, a phrase each.
        compared: the statement whose result tells whether the guard changes anything; none where none does.
        counts: that statement counts the rows that a write would meet.
        depends: whether the rows tell what the guard changes, as with a filter or a foreign key.
        depths: how deep the stack was where it was sent.
        sites: the records by the place in the code; ``None`` for a place that is SQLAlchemy's own.
    """

    __slots__ = (
        "asks", "changes", "compared", "counts", "depends", "depths", "era", "fault", "fingerprint", "kinds", "links",
        "needs", "sites", "statement", "tables", "tenant", "verb",
    )  # fmt: skip

    def __init__(self, verb: str, statement: str, era: Any, *, names: bool = False) -> None:
        self.verb = verb
        self.statement = masked(statement, names=names) or ""
        self.fingerprint = fingerprint(statement, names=names) or ""
        self.era = era
        self.fault: Violation | None = None
        self.needs = False
        self.asks: frozenset[str] | None = None
        self.kinds: frozenset[type] = frozenset()
        self.tenant: tuple[tuple[str, Placement], ...] = ()
        self.links: tuple[tuple[Any, Any], ...] = ()
        self.tables: list[str] = []
        self.changes: list[str] = []
        self.compared: Any = None
        self.counts = False
        self.depends = False
        self.depths: list[Any] = []
        self.sites: dict[tuple[int, int], tuple[Any, Any]] = {}


@contextmanager
def unheard() -> Iterator[None]:
    """Keep refusals inside a block from the sinks, because nothing is really refused."""
    token = called_by.set(tuple(audit.sinks))
    try:
        yield
    finally:
        called_by.reset(token)


def shape_of(shadow: Any, compiled: Any, enforced: Collection[str]) -> Shape:
    """Return what the guard would do to a compiled statement.

    Args:
        shadow: an engine of our own that is guarded.
        compiled: the statement as the application's engine has compiled it.
        enforced: the tables that are guarded already.
    """
    variant = shadow.dialect.tg_variants["tenant"]
    verb = next((verb for name, verb in _VERBS if getattr(compiled, name, False)), "select")
    # PostgreSQL takes nothing in double quotes for a string, and many a table there is called "user"
    shape = Shape(verb, compiled.string, variant.tg_guard.era, names=variant.name == "postgresql")
    try:
        with unheard():
            made = compiled.statement._compiler(
                variant,
                cache_key=None,
                column_keys=compiled.column_keys or [],
                for_executemany=compiled.for_executemany,
                schema_translate_map=compiled.schema_translate_map,
            )
    except (Violation, NoTenantError) as refusal:  # while a row rule was asked
        shape.fault = _as_violation(refusal)
        return shape
    shape.fault = made.tg.fault or _shared_write(made.tg.writes, enforced, variant.tg_guard.ties)
    _describe(shape, made.tg, compiled, enforced)
    if shape.fault is None and shape.needs:
        _compare(shape, made, compiled)
    return shape


def _describe(shape: Shape, tg: Any, compiled: Any, enforced: Collection[str]) -> None:
    inserted = Counter(plan.placement.key for plan in tg.writes if plan.verb == "insert")
    placed = [one for one in tg.tables.values() if one.kind != "shared" and one.name not in enforced]
    writes = [plan for plan in tg.writes if plan.placement.name not in enforced]
    shape.tables = sorted(one.name for one in placed)
    # INSERT INTO calls ... SELECT ... FROM calls reads it too
    shape.changes = [_filters(one) for one in placed if tg.rendered.get(one.key[1], 1) > inserted[one.key]]
    shape.depends = bool(shape.changes)
    for plan in writes:
        name = plan.placement.name
        given = compiled.binds if compiled.binds else {}
        shape.changes += [
            f"{'verifies' if parameter in given else 'stamps'} {name}.{plan.placement.column}"
            for parameter in plan.tenant[:1]
        ]
        stored = plan.stored
        links = [*plan.links, *(stored.links if stored is not None else ())]
        shape.changes += [f"verifies {name}.{', '.join(link.ours)}" for link in links]
        if stored is not None and stored.tenant:
            shape.changes.append(f"verifies {name}.{plan.placement.column}")
        shape.depends |= bool(links) or stored is not None
        shape.tenant += tuple((parameter, plan.placement) for parameter in plan.tenant)
        shape.links += tuple((plan, link) for link in plan.links)
    shape.kinds = frozenset(kind for kind in tg.kinds if kind is not None)
    shape.asks = tg.asks
    shape.needs = bool(shape.changes)


def _filters(placement: Placement) -> str:
    if placement.kind == "through":
        return f"filters {placement.name} through {placement.column}"
    return f"filters {placement.name} by {placement.column or 'its row rule'}"


def _shared_write(plans: Any, enforced: Collection[str], ties: Ties) -> Violation | None:
    for plan in plans:
        placement = plan.placement
        if placement.kind == "shared" and not placement.writable and placement.name not in enforced:
            return shared_write(plan.verb, placement, ties)
    return None


def _compare(shape: Shape, made: Any, compiled: Any) -> None:
    """Choose the statement whose results are compared, if its parameters have the same names in both compilations."""
    statement = compiled.statement
    if shape.verb == "select" and isinstance(statement, SelectBase) and not made.tg.writes:
        if getattr(statement, "_for_update_arg", None) is None and _is_named_alike(made, compiled):
            shape.compared = statement
    elif shape.verb in ("update", "delete") and len(made.tg.writes) == 1 and not compiled.ctes:
        counting = select(func.count()).select_from(_bare(statement.table)).where(*statement._where_criteria)
        if _is_named_alike(counting.compile(dialect=made.dialect), compiled):
            shape.compared, shape.counts = counting, True
    elif (
        shape.verb == "insert"
        and isinstance(statement.select, SelectBase)
        and not compiled.ctes
        and _is_named_alike(statement.select.compile(dialect=made.dialect), compiled)
    ):
        shape.compared = statement.select


def _bare(table: Any) -> Any:
    """Return the metadata's own table, without the ORM's annotations."""
    return table._deannotate() if hasattr(table, "_deannotate") else table


def _is_named_alike(made: Any, compiled: Any) -> bool:
    own = compiled.bind_names
    names = set(own.values())
    return all(
        name in names and own.get(parameter, name) == name
        for parameter, name in made.bind_names.items()
        if not isinstance(parameter, TenantParameter | RuleParameter)
    )


def text_shape(shadow: Any, statement: str) -> Shape:
    """Return what the guard would do to SQL text that goes straight to the driver."""
    dialect = shadow.dialect.tg_variants["tenant"]
    guard = dialect.tg_guard
    shape = Shape("text", statement, guard.era)
    if is_begin(statement, dialect.name) or local_setting(statement, dialect.name) is not None:
        return shape
    try:
        with unheard():
            sent = Sent(guard, dialect, statement, 0)
    except Violation as refusal:
        shape.fault = refusal
        return shape
    if guard.raw_sql == "rewrite":
        if sent.expected is not None:
            shape.needs, shape.depends, shape.kinds = True, True, frozenset({sent.expected})
            shape.changes = ["rewrites SQL text"]
        return shape
    shape.fault = Violation(
        'SQL text is sent straight to the driver; raw_sql="rewrite" could handle it', kind="raw_sql"
    )
    return shape


def _as_violation(refusal: Violation | NoTenantError) -> Violation:
    return refusal if isinstance(refusal, Violation) else Violation(str(refusal), kind=refusal.kind)
