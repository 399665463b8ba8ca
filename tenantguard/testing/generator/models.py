"""The built-in models: one of each shape that multi-tenant applications have."""

from __future__ import annotations

import datetime
from decimal import Decimal

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Numeric,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, deferred, mapped_column, relationship

from tenantguard.tenancy import Tenancy

_NAME = String(40)  # MariaDB asks for a length


class Base(DeclarativeBase):
    """The base of the built-in models."""


memberships = Table(
    "memberships",
    Base.metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
)


class Country(Base):
    """A shared row."""

    __tablename__ = "countries"
    code: Mapped[str] = mapped_column(_NAME, primary_key=True)
    name: Mapped[str] = mapped_column(_NAME)


class Company(Base):
    """The tenant itself, owned by its own key."""

    __tablename__ = "companies"
    id: Mapped[str] = mapped_column(_NAME, primary_key=True)
    name: Mapped[str] = mapped_column(_NAME)
    country_code: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))
    country: Mapped[Country | None] = relationship()


class Group(Base):
    """The far side of a many-to-many relationship."""

    __tablename__ = "groups"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    name: Mapped[str] = mapped_column(_NAME)
    users: Mapped[list[User]] = relationship(secondary=memberships, back_populates="groups")


class User(Base):
    """Point at a manager of its own table, and at a shared row."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    name: Mapped[str] = mapped_column(_NAME)
    age: Mapped[int | None]
    active: Mapped[bool]
    country_code: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    company: Mapped[Company] = relationship()
    country: Mapped[Country | None] = relationship()
    manager: Mapped[User | None] = relationship(back_populates="reports", remote_side=[id])
    reports: Mapped[list[User]] = relationship(back_populates="manager")
    groups: Mapped[list[Group]] = relationship(secondary=memberships, back_populates="users")
    calls: Mapped[list[Call]] = relationship(back_populates="user")


class Number(Base):
    """A telephone number: the parent that a call must have."""

    __tablename__ = "numbers"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    digits: Mapped[str] = mapped_column(_NAME)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User | None] = relationship()
    calls: Mapped[list[Call]] = relationship(back_populates="number", cascade="all, delete-orphan")


class Call(Base):
    """Have parents, children, and an answer that is a call too."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    number_id: Mapped[int] = mapped_column(ForeignKey("numbers.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("calls.id"))
    title: Mapped[str | None] = mapped_column(_NAME)
    seconds: Mapped[int]
    day: Mapped[datetime.date | None] = mapped_column(Date)
    notes: Mapped[str | None] = deferred(mapped_column(_NAME))
    number: Mapped[Number] = relationship(back_populates="calls")
    user: Mapped[User | None] = relationship(back_populates="calls")
    answers: Mapped[Call | None] = relationship(remote_side=[id], back_populates="answered")
    answered: Mapped[list[Call]] = relationship(back_populates="answers")
    tags: Mapped[list[CallTag]] = relationship(back_populates="call", cascade="all, delete-orphan")


class CallTag(Base):
    """Belong through a call; no tenant column of its own."""

    __tablename__ = "call_tags"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"))
    label: Mapped[str] = mapped_column(_NAME)
    weight: Mapped[int | None]
    call: Mapped[Call] = relationship(back_populates="tags")
    comments: Mapped[list[TagComment]] = relationship(back_populates="tag", cascade="all, delete-orphan")


class TagComment(Base):
    """Belong through a tag, which belongs through a call."""

    __tablename__ = "tag_comments"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(ForeignKey("call_tags.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    body: Mapped[str] = mapped_column(_NAME)
    tag: Mapped[CallTag] = relationship(back_populates="comments")
    author: Mapped[User | None] = relationship()


class Document(Base):
    """The base of classes that share one table."""

    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    kind: Mapped[str] = mapped_column(_NAME)
    title: Mapped[str] = mapped_column(_NAME)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    amount: Mapped[int | None]
    user: Mapped[User | None] = relationship()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "document"}


class Invoice(Document):
    """Share the table of documents."""

    __mapper_args__ = {"polymorphic_identity": "invoice"}


class Asset(Base):
    """The base of classes that have a table each."""

    __tablename__ = "assets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"))
    kind: Mapped[str] = mapped_column(_NAME)
    name: Mapped[str] = mapped_column(_NAME)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    owner: Mapped[User | None] = relationship()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "asset"}


class Vehicle(Asset):
    """Have a table whose key is a foreign key to the base's."""

    __tablename__ = "vehicles"
    id: Mapped[int] = mapped_column(ForeignKey("assets.id"), primary_key=True, autoincrement=False)
    wheels: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "vehicle"}


class Truck(Vehicle):
    """Inherit through two tables."""

    __tablename__ = "trucks"
    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True, autoincrement=False)
    load: Mapped[int | None] = mapped_column("load_kg")
    __mapper_args__ = {"polymorphic_identity": "truck"}


class Extension(Base):
    """Have a key that holds the tenant, so that tenants use the same numbers."""

    __tablename__ = "extensions"
    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str | None] = mapped_column(_NAME)
    forwards: Mapped[list[Forward]] = relationship(back_populates="extension", viewonly=True)


class Forward(Base):
    """Point at an extension by its composite key."""

    __tablename__ = "forwards"
    __table_args__ = (
        ForeignKeyConstraint(
            ["company_id", "extension_number"], ["extensions.company_id", "extensions.number"]
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(_NAME)
    extension_number: Mapped[int | None]
    target: Mapped[str] = mapped_column(_NAME)
    extension: Mapped[Extension | None] = relationship(back_populates="forwards", viewonly=True)


User.call_count = column_property(
    select(func.count(Call.id)).where(Call.user_id == User.id).correlate_except(Call).scalar_subquery()
)
Company.longest = column_property(
    select(func.max(Call.seconds)).where(Call.seconds < 100).scalar_subquery(), deferred=True
)

metadata = Base.metadata

tenancy = Tenancy(
    metadata,
    column="company_id",
    columns={"companies": "id"},
    through={"call_tags": "call_id", "tag_comments": "tag_id", "memberships": "user_id"},
    shared={"countries"},
)
