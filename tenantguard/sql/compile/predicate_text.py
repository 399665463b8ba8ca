"""The predicate as text: an equality, or for a ``through`` table the EXISTS that leads to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.sql.elements import _truncated_label
from sqlalchemy.sql.selectable import TableClause

from tenantguard.errors import RawSQLError, UnknownTableError
from tenantguard.sql.compile.access import granted
from tenantguard.sql.compile.leaves import Filtered
from tenantguard.sql.elements import Belongs, NamedColumn
from tenantguard.sql.exactness import MARIADB
from tenantguard.sql.predicates import MANY
from tenantguard.tenancy import Placement, table_key


def predicate(compiler: Any, element: Belongs, ambiguous_table_name_map: Any) -> str:
    """Render the predicate of one FROM element."""
    source = element.source

    def column(name: str) -> str:
        rendered: str = compiler.visit_column(
            NamedColumn(name, source), ambiguous_table_name_map=ambiguous_table_name_map
        )
        return rendered

    return belongs(compiler, column, element.placement, from_name(compiler, source))


def belongs(
    compiler: Any, column: Callable[[str], str], placement: Placement, name: str, depth: int = 0
) -> str:
    """Render the condition that a row belongs to the tenant, with its columns written by ``column``.

    Args:
        compiler: the guarded compiler.
        column: writes a column of the row.
        placement: how the row's table belongs.
        name: the name that the row's table has in FROM.
        depth: the number of parents between the row and the statement's table.
    """
    if placement.kind == "owned":
        parameter = tenant_parameter(compiler, placement)
        mine, comparison = column(placement.column or ""), compiler.tg_predicates.comparison
        exact = compiler.tg_predicates.exactly(placement)
        if exact is not None:
            # it comes first: by it PostgreSQL tells the type of a parameter that does not say its own
            return f"({exact.format(mine)} {comparison} {parameter} AND {mine} {comparison} {parameter})"
        return f"{mine} {comparison} {parameter}"
    if placement.parent is None:
        compiler.tg.refuse(UnknownTableError(f"{placement.name} leads to no tenant", table=placement.name))
        return "1 = 0"
    # by depth, so that an expression which is written twice (DISTINCT ON, GROUP BY) is rendered twice the same;
    # the user's own name is left to the user, whose columns would be taken for ours
    depth += name == f"tenantguard_{depth + 1}"
    alias = f"tenantguard_{depth + 1}"
    compiler.tg.count(placement.parent)
    quote = compiler.preparer.quote
    link = " AND ".join(f"{alias}.{quote(theirs)} = {column(ours)}" for ours, theirs in placement.link)
    owned = belongs(
        compiler,
        lambda name: f"{alias}.{quote(name)}",
        compiler.tg_guard.tenancy.of(placement.parent),
        alias,
        depth + 1,
    )
    table = table_name(compiler, placement.parent)
    if compiler.dialect.name in MARIADB and table_key(placement.parent) == compiler.tg.target:
        # MariaDB reads the table that it writes in a derived table only, and in one that it has to keep
        table = f"(SELECT DISTINCT * FROM {table})"  # noqa: S608 - a name only, quoted
    return f"EXISTS (SELECT 1 FROM {table} AS {alias} WHERE {link} AND {owned})"  # noqa: S608 - names only, quoted


def tenant_parameter(compiler: Any, placement: Placement) -> str:
    """Render the parameter of the tenant, or the list of the bound tenants.

    A list is expanded when a statement executes, which is impossible for many sets of parameters.
    """
    predicates = compiler.tg_predicates
    if predicates.shape == "tenant" or not compiler.for_executemany:
        return str(compiler.visit_bindparam(predicates.parameter(placement)))
    places = [compiler.visit_bindparam(predicates.parameter(placement, place)) for place in range(MANY)]
    return f"({', '.join(places)})"


def filtered_table(compiler: Any, element: Filtered) -> str:
    """Render a table of a FULL JOIN as a derived table of the same name."""
    source, placement = element.leaf.source, element.leaf.placement
    if isinstance(source, TableClause) and compiler.preparer.schema_for_object(source):
        compiler.tg.refuse(
            RawSQLError(
                f"FULL JOIN of {placement.name}: a table with a schema cannot keep its name as a "
                "derived table. Use aliased(...) or .alias() in the join",
                kind="full_join",
                table=placement.name,
            )
        )
    inner = source._compiler_dispatch(compiler, asfrom=True)
    conditions = []
    if placement.kind != "shared":
        conditions.append(compiler.tg_predicates.owns(source, placement, read=True))
    if placement.has_rows:
        conditions.append(granted(compiler, source, placement))
    where = " AND ".join(map(compiler.process, conditions))
    return f"(SELECT * FROM {inner} WHERE {where}) AS {alias_name(compiler, source)}"  # noqa: S608 - rendered by the compiler itself


def alias_name(compiler: Any, source: Any) -> str:
    if isinstance(source.name, _truncated_label):
        return str(compiler.preparer.quote(compiler._truncated_identifier("alias", source.name)))
    return str(compiler.preparer.quote(source.name))


def from_name(compiler: Any, source: Any) -> str:
    """Return the name of a FROM element as databases compare names."""
    name = source.name
    if isinstance(name, _truncated_label):
        name = compiler._truncated_identifier("alias", name)
    return str(name).lower()


def table_name(compiler: Any, table: Any) -> str:
    """Return a table's name for a predicate, with its schema if a CTE has the same name."""
    name = str(compiler.preparer.format_table(table))
    if is_hidden(compiler, table):
        return f"{compiler.preparer.quote_schema(compiler.dialect.default_schema_name)}.{name}"
    rely(compiler, table)
    return name


def is_hidden(compiler: Any, table: Any) -> bool:
    return (
        bool(compiler.tg.hidden)
        and not compiler.preparer.schema_for_object(table)
        and from_name(compiler, table) in compiler.tg.hidden
    )


def rely(compiler: Any, table: Any) -> None:
    """Record that a predicate is valid only if a name in FROM refers to the table."""
    if not compiler.preparer.schema_for_object(table):
        compiler.tg.relied.add(from_name(compiler, table))


def refuse_shadowed(compiler: Any) -> None:
    name = min(compiler.tg.ctes & compiler.tg.relied)
    compiler.tg.refuse(
        RawSQLError(
            f"a CTE is named {name!r}, as a table is that a predicate has to read. Give it another name",
            kind="shadowed",
            table=name,
        )
    )
