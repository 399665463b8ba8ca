"""Indexes under row security that PostgreSQL does not use, because their operator could reveal a hidden row.

PostgreSQL evaluates a policy before any condition whose operator is not leak-proof, so such a condition cannot use an
index: each row of the tenant is read and compared. The catalogue lists the operators of an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from tenantguard.postgres.findings import Finding
from tenantguard.postgres.installation import ready
from tenantguard.postgres.spelling import identifier
from tenantguard.postgres.tables import Secured, secured
from tenantguard.tenancy import Placement, Tenancy

# An operator counts where both of its sides have the type that the index orders: a btree family lists those between
# other types as well (int and bigint), of which some are not leak-proof and none is met by a column's own type.
_INDEXES = text(
    """
    SELECT i.indexrelid::regclass::text, m.amname, array_agg(DISTINCT o.oprname ORDER BY o.oprname),
           array_agg(DISTINCT p.oid::regprocedure::text),
           EXISTS (SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = i.indrelid AND t.attname = :column
                      AND t.attnum = ANY (string_to_array(i.indkey::text, ' ')::int[]))
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am m ON m.oid = c.relam
      CROSS JOIN LATERAL unnest(i.indclass) AS k (opclass)
      JOIN pg_catalog.pg_opclass s ON s.oid = k.opclass
      JOIN pg_catalog.pg_amop a ON a.amopfamily = s.opcfamily AND a.amoplefttype = s.opcintype
           AND a.amoppurpose = 's' AND (m.amname NOT IN ('btree', 'brin', 'hash') OR a.amoprighttype = s.opcintype)
      JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
     WHERE i.indrelid = to_regclass(:name) AND i.indisvalid AND NOT p.proleakproof
     GROUP BY i.indexrelid, i.indrelid, i.indkey::text, m.amname ORDER BY 1
    """.replace("::", r"\:\:")
)
# the operators of such a class are leak-proof, and LIKE, for which it is made, is not
_PATTERNS = text(
    """
    SELECT i.indexrelid::regclass::text, 'btree', ARRAY['~~'], ARRAY['textlike(text,text)'],
           EXISTS (SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = i.indrelid AND t.attname = :column
                      AND t.attnum = ANY (string_to_array(i.indkey::text, ' ')::int[]))
      FROM pg_catalog.pg_index i WHERE i.indrelid = to_regclass(:name) AND i.indisvalid
       AND NOT (SELECT proleakproof FROM pg_catalog.pg_proc WHERE oid = 'textlike(text,text)'::regprocedure)
       AND EXISTS (SELECT FROM unnest(i.indclass) k JOIN pg_catalog.pg_opclass s ON s.oid = k
                    WHERE s.opcname LIKE '%pattern_ops')
    """.replace("::", r"\:\:")
)
_EXPRESSIONS = text(
    """
    SELECT i.indexrelid::regclass::text, pg_catalog.pg_get_expr(i.indexprs, i.indrelid)
      FROM pg_catalog.pg_index i WHERE i.indrelid = to_regclass(:name) AND i.indexprs IS NOT NULL AND i.indisvalid
    """.replace("::", r"\:\:")
)
_SIZE = text(
    """
    SELECT greatest(c.reltuples, 0), (SELECT max(f) FROM unnest(s.most_common_freqs) f), s.n_distinct
      FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = c.relnamespace::regnamespace::text
       AND s.tablename = c.relname AND s.attname = :column WHERE c.oid = to_regclass(:name)
    """.replace("::", r"\:\:")
)


@dataclass(frozen=True)
class _Lost:
    index: str
    method: str
    operators: tuple[str, ...]
    functions: tuple[str, ...]
    has_tenant: bool = False


def indexes(connection: Connection, tenancy: Tenancy) -> list[Finding]:
    """Find the indexes that row security disables, and estimate the cost for the largest tenant.

    Args:
        connection: a connection of the tables' owner or a superuser, which sees every tenant's statistics.
        tenancy: how every table belongs.

    Returns:
        A warning for each, with the number of rows that a search reads instead, and the remedy.
    """
    schema = ready(connection, writes=False)
    found = []
    for table in secured(tenancy, schema, sealed=False):
        if table.policies:
            rows = _largest(connection, table)
            found += [_finding(table, lost, rows) for lost in _lost(connection, table)]
    return found


def _lost(connection: Connection, table: Secured) -> list[_Lost]:
    given = {
        "name": table.name,
        "column": table.placement.column if table.placement.kind == "owned" else None,
    }
    found = [
        _Lost(index, method, tuple(operators), tuple(functions), has_tenant)
        for query in (_INDEXES, _PATTERNS)
        for index, method, operators, functions, has_tenant in connection.execute(query, given)
    ]
    known = {one.index for one in found}
    # the operator may be leak-proof, and the function in the index is not: lower(email) = :email
    for index, expression in connection.execute(_EXPRESSIONS, {"name": table.name}):
        if index not in known:
            found.append(_Lost(index, "expression", (), (expression,)))
    return found


def _largest(connection: Connection, table: Secured) -> int | None:
    """Return the number of rows of the largest tenant from the statistics, or ``None``."""
    placement: Placement = table.placement
    if placement.kind != "owned":
        return None
    given = {"name": table.name, "column": placement.column}
    rows, most, distinct = connection.execute(_SIZE, given).one()
    if most is None:
        return int(rows) if distinct == 1 else None
    return int(rows * most)


def _finding(table: Secured, lost: _Lost, rows: int | None) -> Finding:
    what = (
        f"its operators ({' '.join(lost.operators)})"
        if lost.operators
        else f"what it holds ({lost.functions[0]})"
    )
    cost = (
        "how many rows a search reads instead is not known: ANALYZE the table"
        if rows is None
        else f"a search for the largest tenant reads {rows:,} rows instead"
    )
    return Finding(
        "index-unused",
        "warning",
        lost.index,
        (
            f"row security keeps a search from using this {lost.method} index of {table.name}, since "
            f"{what} could reveal hidden rows; {cost}"
        ),
        "; or ".join(_remedies(table, lost)),
    )


def _remedies(table: Secured, lost: _Lost) -> Iterator[str]:
    """Yield the remedies that limit the cost to one tenant's rows, then those that restore the index."""
    if table.placement.kind == "owned" and not lost.has_tenant:
        extension = {"gin": ", with btree_gin", "gist": ", with btree_gist"}.get(lost.method, "")
        yield f"put {identifier(table.placement.column or '')} first in its key{extension}"
    yield "partition the table by tenant"
    if lost.operators:
        functions = ", ".join(lost.functions)
        yield (
            f"as a superuser ALTER FUNCTION ... LEAKPROOF ({functions}), where neither errors nor times of them tell "
            "anything of a row"
        )
