"""Small tables to place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tenantguard import Tenancy


def owned_table(name: str, metadata: MetaData, *columns: Any, **options: Any) -> Table:
    """Make a table with a key and the tenant column."""
    key: Column[int] = Column("id", Integer, primary_key=True)
    return Table(name, metadata, key, Column("company_id", String(40), nullable=False), *columns, **options)


def child_table(name: str, metadata: MetaData, parent: str = "calls", *columns: Any, **options: Any) -> Table:
    """Make a table with a key and a foreign key, without the tenant column."""
    link: Column[int] = Column("parent_id", ForeignKey(f"{parent}.id"))
    return Table(name, metadata, Column("id", Integer, primary_key=True), link, *columns, **options)


def tenancy_of(metadata: MetaData, **said: Any) -> Tenancy:
    """Place the two tables of the fixture, and what else was said."""
    return Tenancy(metadata, column="company_id", **{"shared": {"countries"}, **said})
