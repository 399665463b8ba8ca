"""The models that the tests share: a call centre with every way in which a table can belong.

Rows are written by :func:`seed` with a plain, unguarded engine. The first tenant's ids start at 1, the
second's at 101, the third's at 201, so that a row's id tells whose it is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from tenantguard import Tenancy

TENANTS = ("acme", "globex", "initech")
FIRST_ID = {"acme": 1, "globex": 101, "initech": 201}


class Base(DeclarativeBase):
    """Be the base of the test models."""

    type_annotation_map = {str: String(60)}


def _id() -> Mapped[int]:
    return mapped_column(Integer, Identity(start=1001), primary_key=True)


def _company() -> Mapped[str]:
    return mapped_column(String(40), ForeignKey("companies.id"), index=True)


class Company(Base):
    """A tenant's own row: owned by its id."""

    __tablename__ = "companies"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str]


class Country(Base):
    """The same rows for all: shared."""

    __tablename__ = "countries"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str]


class SessionLog(Base):
    """Rows of nobody that everybody may write: shared_writable."""

    __tablename__ = "sessions_log"
    id: Mapped[int] = _id()
    what: Mapped[str]


class User(Base):
    """Owned, with a key that includes the tenant."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("company_id", "email"),)
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    email: Mapped[str]
    calls: Mapped[list[Call]] = relationship(back_populates="user")


class Number(Base):
    """Owned; the calls of a number hang on it."""

    __tablename__ = "numbers"
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    digits: Mapped[str]
    calls: Mapped[list[Call]] = relationship(back_populates="number")


class Call(Base):
    """Owned, with parents that are owned and one that is shared."""

    __tablename__ = "calls"
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    number_id: Mapped[int] = mapped_column(ForeignKey("numbers.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))
    seconds: Mapped[int]
    note: Mapped[str] = mapped_column(default="")
    number: Mapped[Number] = relationship(back_populates="calls")
    user: Mapped[User | None] = relationship(back_populates="calls")
    country: Mapped[Country] = relationship()
    tags: Mapped[list[CallTag]] = relationship(back_populates="call", cascade="all, delete-orphan")
    labels: Mapped[list[Label]] = relationship(secondary="call_labels", back_populates="calls")
    comments: Mapped[list[Comment]] = relationship(back_populates="call")


class CallTag(Base):
    """No tenant column: through its call."""

    __tablename__ = "call_tags"
    id: Mapped[int] = _id()
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    tag: Mapped[str]
    call: Mapped[Call] = relationship(back_populates="tags")
    notes: Mapped[list[TagNote]] = relationship(back_populates="tag", cascade="all, delete-orphan")


class TagNote(Base):
    """A grandchild: through its tag, which is through its call."""

    __tablename__ = "tag_notes"
    id: Mapped[int] = _id()
    tag_id: Mapped[int] = mapped_column(ForeignKey("call_tags.id"))
    body: Mapped[str]
    tag: Mapped[CallTag] = relationship(back_populates="notes")


class Label(Base):
    """Owned, and tied to calls by a secondary table."""

    __tablename__ = "labels"
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    name: Mapped[str]
    calls: Mapped[list[Call]] = relationship(secondary="call_labels", back_populates="labels")


call_labels = Table(
    "call_labels",
    Base.metadata,
    Column("call_id", ForeignKey("calls.id"), primary_key=True),
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
)


class Comment(Base):
    """Owned, with a parent in its own table."""

    __tablename__ = "comments"
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comments.id"))
    body: Mapped[str]
    call: Mapped[Call] = relationship(back_populates="comments")
    parent: Mapped[Comment | None] = relationship(back_populates="replies", remote_side="Comment.id")
    replies: Mapped[list[Comment]] = relationship(back_populates="parent")


class Employee(Base):
    """The base of joined-table inheritance, owned."""

    __tablename__ = "employees"
    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "employee"}
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    type: Mapped[str]
    name: Mapped[str]


class Manager(Employee):
    """The child of joined-table inheritance: its key leads to the base."""

    __tablename__ = "managers"
    __mapper_args__ = {"polymorphic_identity": "manager"}
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    level: Mapped[int]


class Document(Base):
    """The base of single-table inheritance, owned."""

    __tablename__ = "documents"
    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "document"}
    id: Mapped[int] = _id()
    company_id: Mapped[str] = _company()
    type: Mapped[str]
    title: Mapped[str]


class Invoice(Document):
    """The child of single-table inheritance: no table of its own."""

    __mapper_args__ = {"polymorphic_identity": "invoice"}
    amount: Mapped[int | None]


class Order(Base):
    """Owned, with a key of tenant and number."""

    __tablename__ = "orders"
    company_id: Mapped[str] = mapped_column(String(40), ForeignKey("companies.id"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    lines: Mapped[list[OrderLine]] = relationship(back_populates="order", cascade="all, delete-orphan")


class OrderLine(Base):
    """Owned; the key of its parent includes the tenant."""

    __tablename__ = "order_lines"
    __table_args__ = (ForeignKeyConstraint(["company_id", "order_id"], ["orders.company_id", "orders.id"]),)
    company_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    order_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item: Mapped[str]
    order: Mapped[Order] = relationship(back_populates="lines")


class CallStats(Base):
    """A view, mapped as a table: calls and seconds of each number."""

    __tablename__ = "call_stats"
    __table_args__ = {"info": {"is_view": True}}
    number_id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    calls: Mapped[int]
    seconds: Mapped[int]


_VIEW = text(
    "CREATE VIEW call_stats AS SELECT number_id, company_id, count(*) AS calls, "
    "CAST(sum(seconds) AS INTEGER) AS seconds FROM calls GROUP BY number_id, company_id"
)


def make_tenancy(metadata: MetaData = Base.metadata) -> Tenancy:
    """Place every table of the test models."""
    return Tenancy(
        metadata,
        column="company_id",
        columns={"companies": "id"},
        through={"call_tags": "call_id", "tag_notes": "tag_id", "call_labels": "call_id"},
        shared={"countries"},
        shared_writable={"sessions_log"},
    )


def create_schema(bind: Engine | Connection, metadata: MetaData = Base.metadata) -> None:
    """Create every table, and the view, with an unguarded engine or connection."""
    tables = [table for table in metadata.sorted_tables if not table.info.get("is_view")]
    if isinstance(bind, Engine):
        with bind.begin() as connection:
            create_schema(connection, metadata)
        return
    metadata.create_all(bind, tables=tables, checkfirst=False)
    bind.execute(_VIEW)


def seed(
    bind: Engine | Connection,
    *tenants: str,
    metadata: MetaData = Base.metadata,
    ids: dict[str, Any] | None = None,
) -> None:
    """Write the shared rows and the rows of each tenant, with an unguarded engine or connection.

    Args:
        bind: an engine (then it commits) or a connection.
        tenants: whose rows; all three where none is named.
        metadata: the tables, where they are not the models' own.
        ids: the tenants' ids, where they are not their names.
    """
    if isinstance(bind, Engine):
        with bind.begin() as connection:
            seed(connection, *tenants, metadata=metadata, ids=ids)
        return
    rows = dict(SHARED_ROWS)
    for tenant in tenants or TENANTS:
        for name, found in rows_of(tenant, (ids or {}).get(tenant, tenant)).items():
            rows[name] = rows.get(name, []) + found
    for table in metadata.sorted_tables:
        if table.name in rows:
            bind.execute(table.insert(), rows[table.name])


SHARED_ROWS: dict[str, list[dict[str, Any]]] = {
    "countries": [
        {"code": "DE", "name": "Germany"},
        {"code": "FR", "name": "France"},
        {"code": "IR", "name": "Iran"},
    ],
    "sessions_log": [{"id": 1, "what": "started"}],
}


def rows_of(tenant: str, company_id: Any = None) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one tenant by table: three calls, two numbers, and what hangs on them."""
    a = FIRST_ID[tenant]
    b, c = a + 1, a + 2
    mine = {"company_id": tenant if company_id is None else company_id}
    call = {**mine, "number_id": a, "user_id": a, "country_code": "DE", "note": f"{tenant} note"}
    return {
        "companies": [{"id": mine["company_id"], "name": tenant.title()}],
        "users": [
            {**mine, "id": a, "email": f"ada@{tenant}.example"},
            {**mine, "id": b, "email": "shared@example.org"},
        ],
        "numbers": [{**mine, "id": a, "digits": f"+49{a}"}, {**mine, "id": b, "digits": f"+33{b}"}],
        "calls": [
            {**call, "id": a, "seconds": a * 10},
            {**call, "id": b, "seconds": b * 10, "country_code": "FR"},
            {**call, "id": c, "seconds": c * 10, "number_id": b, "user_id": None},
        ],
        "call_tags": [
            {"id": a, "call_id": a, "tag": "sale"},
            {"id": b, "call_id": b, "tag": f"{tenant} tag"},
        ],
        "tag_notes": [{"id": a, "tag_id": a, "body": f"{tenant} tag note"}],
        "labels": [{**mine, "id": a, "name": "urgent"}, {**mine, "id": b, "name": f"{tenant} label"}],
        "call_labels": [
            {"call_id": a, "label_id": a},
            {"call_id": a, "label_id": b},
            {"call_id": b, "label_id": a},
        ],
        "comments": [
            {**mine, "id": a, "call_id": a, "parent_id": None, "body": f"{tenant} comment"},
            {**mine, "id": b, "call_id": a, "parent_id": a, "body": f"{tenant} reply"},
        ],
        "employees": [
            {**mine, "id": a, "type": "employee", "name": f"{tenant} worker"},
            {**mine, "id": b, "type": "manager", "name": f"{tenant} head"},
        ],
        "managers": [{"id": b, "level": a}],
        "documents": [
            {**mine, "id": a, "type": "document", "title": f"{tenant} paper", "amount": None},
            {**mine, "id": b, "type": "invoice", "title": f"{tenant} bill", "amount": a * 100},
        ],
        "orders": [{**mine, "id": 1, "title": f"{tenant} order"}, {**mine, "id": 2, "title": "second"}],
        "order_lines": [
            {**mine, "order_id": 1, "line": 1, "item": f"{tenant} item"},
            {**mine, "order_id": 1, "line": 2, "item": "bolt"},
        ],
    }


def with_tenant_type(type_: TypeEngine[Any] | TypeDecorator[Any]) -> MetaData:
    """Return a copy of the tables whose tenant columns have another type, for example ``Integer()``."""
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        copy = table.to_metadata(metadata)
        tenant = copy.c.id if copy.name == "companies" else copy.c.get("company_id")
        if tenant is not None:
            tenant.type = type_
    return metadata
