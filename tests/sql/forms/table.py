"""The table: every group of rows, in the order of the page."""

from __future__ import annotations

from tests.sql.forms import hidden, joins, keys, mapped, nested, reading, sources, writing

GROUPS = (
    reading.SELECT,
    joins.JOINS,
    nested.SUBQUERIES,
    nested.CTES,
    sources.SETS,
    sources.SOURCES,
    mapped.MAPPINGS,
    mapped.LOADS,
    mapped.QUERIES,
    writing.INSERTS,
    writing.UPSERTS,
    writing.CHANGES,
    keys.KEYS,
    keys.TENANT,
    hidden.TEXT,
    hidden.DEFINITIONS,
    hidden.DOORS,
    hidden.CACHES,
)
