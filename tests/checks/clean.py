"""A clean schema, in which nothing is to be found, and what makes one fault in it at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from tenantguard import Tenancy


def tenant() -> Column[Any]:
    """Return a tenant column with its index."""
    return Column("company_id", String(20), ForeignKey("companies.id"), nullable=False, index=True)


def key() -> Column[Any]:
    """Return a generated primary key."""
    return Column("id", Integer, primary_key=True)


def make() -> MetaData:
    """Return the clean models."""
    m = MetaData()
    Table("companies", m, Column("id", String(20), primary_key=True), Column("slug", String(40), unique=True))
    Table("countries", m, Column("code", String(2), primary_key=True))
    Table("log", m, key(), Column("what", String(40)))
    Table(
        "users", m, key(), tenant(), Column("email", String(80)),
        UniqueConstraint("company_id", "email"), UniqueConstraint("company_id", "id"),
    )  # fmt: skip
    Table(
        "calls", m, key(), tenant(), Column("user_id", Integer, nullable=False),
        Column("country", ForeignKey("countries.code")),
        ForeignKeyConstraint(["company_id", "user_id"], ["users.company_id", "users.id"]),
    )  # fmt: skip
    Table(
        "tags", m, key(), Column("call_id", ForeignKey("calls.id"), nullable=False), Column("tag", String(20))
    )
    Table("labels", m, key(), tenant())
    Table(
        "call_labels", m, Column("call_id", ForeignKey("calls.id"), primary_key=True),
        Column("label_id", ForeignKey("labels.id"), primary_key=True),
    )  # fmt: skip
    return m


def tenancy(metadata: MetaData, **more: Any) -> Tenancy:
    """Return the tenancy of the clean models, with something added."""
    given: dict[str, Any] = {
        "column": "company_id",
        "columns": {"companies": "id"},
        "through": {"tags": "call_id", "call_labels": "call_id"},
        "shared": {"countries"},
        "shared_writable": {"log"},
    }
    for name, value in more.items():
        given[name] = (given[name] | value) if name in given and name != "column" else value
    return Tenancy(metadata, **given)


def fill(connection: Connection) -> None:
    """Write rows of two tenants."""
    for company, first in (("acme", 1), ("globex", 101)):
        for statement in (
            "INSERT INTO companies VALUES (:company, :company)",
            "INSERT INTO users (id, company_id, email) VALUES (:first, :company, :company)",
            "INSERT INTO calls (id, company_id, user_id) VALUES (:first, :company, :first)",
            "INSERT INTO tags (id, call_id) VALUES (:first, :first)",
            "INSERT INTO labels (id, company_id) VALUES (:first, :company)",
            "INSERT INTO call_labels VALUES (:first, :first)",
        ):
            connection.execute(text(statement), {"company": company, "first": first})
