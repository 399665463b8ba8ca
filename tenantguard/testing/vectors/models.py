"""The built-in models: a small telephony company with every shape that a vector needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantguard.tenancy import Tenancy, shared, through


class Base(DeclarativeBase):
    """The base of the built-in tables."""


class Company(Base):
    """The tenant itself, owned by its own key."""

    __tablename__ = "companies"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Country(Base):
    """A shared row."""

    __tablename__ = "countries"
    __table_args__ = {"info": {"tenant": shared}}
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class User(Base):
    """Refer to itself and to a shared table."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    name: Mapped[str] = mapped_column(String(80))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    country_code: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))


class Number(Base):
    """A parent that is referenced without the tenant in the key, and unique by itself."""

    __tablename__ = "numbers"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    digits: Mapped[str] = mapped_column(String(40), unique=True)
    uses: Mapped[int] = mapped_column(Integer)


class Call(Base):
    """Have parents, children, grandchildren, tags and subclasses in one table."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    number_id: Mapped[int | None] = mapped_column(ForeignKey("numbers.id"))
    direction: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(80))
    seconds: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime | None]

    number: Mapped[Number | None] = relationship(backref="calls")
    tags: Mapped[list[Tag]] = relationship(secondary="call_tags", backref="calls")
    recordings: Mapped[list[Recording]] = relationship(back_populates="call")
    __mapper_args__ = {"polymorphic_on": "direction", "polymorphic_identity": "call"}


class Inbound(Call):
    """Share the table of its base."""

    __mapper_args__ = {"polymorphic_identity": "inbound"}


class Tag(Base):
    """The other side of the association."""

    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    label: Mapped[str] = mapped_column(String(80))


call_tags = Table(
    "call_tags",
    Base.metadata,
    Column("call_id", ForeignKey("calls.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
    info={"tenant": through("call_id")},
)


class Recording(Base):
    """Belong through a call."""

    __tablename__ = "recordings"
    __table_args__ = {"info": {"tenant": through("call_id")}}
    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    path: Mapped[str] = mapped_column(String(80))
    size: Mapped[int] = mapped_column(Integer)
    call: Mapped[Call] = relationship(back_populates="recordings")


class Segment(Base):
    """Belong through a recording, and so through a call."""

    __tablename__ = "segments"
    __table_args__ = {"info": {"tenant": through("recording_id")}}
    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(ForeignKey("recordings.id"))
    words: Mapped[str] = mapped_column(String(80))
    length: Mapped[int] = mapped_column(Integer)


class Note(Base):
    """A plain owned table that nothing references."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    call_id: Mapped[int | None] = mapped_column(ForeignKey("calls.id"))
    body: Mapped[str] = mapped_column(String(80))
    weight: Mapped[int] = mapped_column(Integer)


class Document(Base):
    """The base of joined-table inheritance."""

    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(80))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "document"}


class Invoice(Document):
    """Have a table of its own, without a tenant column."""

    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(80))
    amount: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {"polymorphic_identity": "invoice"}


class Device(Base):
    """Have a tenant column whose key in Python is not its name in the database."""

    __tablename__ = "devices"
    id: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column("company_id", String(40), key="holder")
    serial: Mapped[str] = mapped_column(String(80))
    firmware: Mapped[int] = mapped_column(Integer)


class Account(Base):
    """Have the tenant in its key, as `tenantguard check` asks for."""

    __tablename__ = "accounts"
    company_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(String(80))


class Entry(Base):
    """Refer to its parent by a key that includes the tenant."""

    __tablename__ = "entries"
    __table_args__ = (
        ForeignKeyConstraint(["company_id", "account_number"], ["accounts.company_id", "accounts.number"]),
        UniqueConstraint("company_id", "reference"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    account_number: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(String(80))


class Plan(Base):
    """Have the tenant in its key, and nothing that refers to it."""

    __tablename__ = "plans"
    company_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(80))


views = MetaData()
call_view = Table(
    "call_view",
    views,
    Column("id", Integer),
    Column("company_id", String(40)),
    Column("subject", String(80)),
    info={"is_view": True},
)
event.listen(
    Base.metadata,
    "after_create",
    DDL("CREATE VIEW call_view AS SELECT id, company_id, subject FROM calls"),  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
)

tenancy = Tenancy(Base.metadata, views, column="company_id", columns={"companies": "id"})
