"""Sound schemas as services have them, which the attack kit must fit: UUID keys, types of their own, unique keys."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CHAR, ForeignKey, MetaData, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry, relationship
from sqlmodel import Field, SQLModel

from tenantguard import Tenancy


class GUID(TypeDecorator[uuid.UUID]):
    """A UUID in a text, as services wrote it before SQLAlchemy had one."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else (value if isinstance(value, uuid.UUID) else uuid.UUID(value)).hex

    def process_result_value(self, value: Any, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


class Packed(TypeDecorator[uuid.UUID]):
    """A UUID in sixteen bytes, as Advanced Alchemy keeps it."""

    impl = sa.LargeBinary(16)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else (value if isinstance(value, uuid.UUID) else uuid.UUID(value)).bytes

    def process_result_value(self, value: Any, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(bytes=value)


class Address(TypeDecorator[str]):
    """A text that takes mail addresses only."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is not None and "@" not in value:
            raise ValueError("no mail address")
        return value


class Status(enum.Enum):
    """Where a project stands."""

    OPEN = "open"
    DONE = "done"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def service(dialect: str, key: Any = sa.Uuid) -> Tenancy:
    """Return a service of projects and tasks with UUID keys, enums, clocks, and numbers unique in a company."""

    class Base(DeclarativeBase): ...

    def ident() -> Mapped[uuid.UUID]:
        return mapped_column(key(), primary_key=True, default=uuid.uuid4)

    class Company(Base):
        __tablename__ = "companies"
        id: Mapped[uuid.UUID] = ident()
        name: Mapped[str] = mapped_column(String(80), unique=True)

    class Project(Base):
        __tablename__ = "projects"
        __table_args__ = (
            UniqueConstraint("company_id", "name"),
            UniqueConstraint("company_id", "number"),
            sa.CheckConstraint("kind IN ('inside', 'outside')"),
            sa.CheckConstraint("year BETWEEN 1990 AND 2090"),
        )
        id: Mapped[uuid.UUID] = ident()
        company_id: Mapped[uuid.UUID] = mapped_column(key(), ForeignKey("companies.id"))
        name: Mapped[str] = mapped_column(String(80))
        number: Mapped[int]
        kind: Mapped[str] = mapped_column(String(12))
        year: Mapped[int]
        status: Mapped[Status] = mapped_column(sa.Enum(Status, name="project_status"), default=Status.OPEN)
        budget: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
        created_at: Mapped[datetime.datetime] = mapped_column(default=_now)
        updated_at: Mapped[datetime.datetime] = mapped_column(server_default=sa.func.now(), onupdate=_now)
        tasks: Mapped[list[Task]] = relationship(back_populates="project")

    class Label(Base):
        __tablename__ = "labels"
        __table_args__ = (UniqueConstraint("company_id", "word"),)
        id: Mapped[uuid.UUID] = ident()
        company_id: Mapped[uuid.UUID] = mapped_column(key(), ForeignKey("companies.id"))
        word: Mapped[str] = mapped_column(String(40))

    class Task(Base):
        __tablename__ = "tasks"
        id: Mapped[uuid.UUID] = ident()
        project_id: Mapped[uuid.UUID] = mapped_column(key(), ForeignKey("projects.id", ondelete="CASCADE"))
        parent_id: Mapped[uuid.UUID | None] = mapped_column(key(), ForeignKey("tasks.id"))
        title: Mapped[str] = mapped_column(Text)
        position: Mapped[int]
        done: Mapped[bool] = mapped_column(default=False)
        project: Mapped[Project] = relationship(back_populates="tasks")

    class Comment(Base):
        __tablename__ = "comments"
        id: Mapped[uuid.UUID] = ident()
        task_id: Mapped[uuid.UUID] = mapped_column(key(), ForeignKey("tasks.id"))
        body: Mapped[str] = mapped_column(Text)

    class Invite(Base):
        __tablename__ = "invites"
        id: Mapped[uuid.UUID] = ident()
        company_id: Mapped[uuid.UUID] = mapped_column(key(), ForeignKey("companies.id"))
        email: Mapped[str] = mapped_column(Address(120))
        seats: Mapped[int] = mapped_column(sa.SmallInteger)

    sa.Table(
        "task_labels",
        Base.metadata,
        sa.Column("task_id", key(), ForeignKey("tasks.id"), nullable=False),
        sa.Column("label_id", key(), ForeignKey("labels.id"), nullable=False),
    )
    if dialect == "postgresql":
        sa.Table(
            "facts",
            Base.metadata,
            sa.Column("id", key(), primary_key=True, default=uuid.uuid4),
            sa.Column("company_id", key(), ForeignKey("companies.id"), nullable=False),
            sa.Column("words", postgresql.ARRAY(Text), nullable=False),
            sa.Column("numbers", postgresql.ARRAY(sa.Integer), nullable=False),
            sa.Column("stands", postgresql.ENUM("new", "old", name="stands"), nullable=False),
            sa.Column("said", postgresql.JSONB, nullable=False),
            sa.Column("seen_from", postgresql.INET, nullable=False),
            sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        )
    return Tenancy(
        Base.metadata,
        column="company_id",
        columns={"companies": "id"},
        through={"tasks": "project_id", "comments": "task_id", "task_labels": "task_id"},
    )


def guids(dialect: str) -> Tenancy:
    """Return the same service with keys of a type of its own."""
    return service(dialect, GUID)


def sqlmodels(dialect: str) -> Tenancy:
    """Return models of SQLModel, whose texts have its own type."""
    registry_ = registry()

    class Row(SQLModel, registry=registry_):
        id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)

    class Team(Row, table=True):
        __tablename__ = "teams"
        name: str = Field(index=True)

    class Member(Row, table=True):
        __tablename__ = "members"
        team_id: uuid.UUID = Field(foreign_key="teams.id", index=True)
        email: str = Field(max_length=120)
        age: int

    class Post(Row, table=True):
        __tablename__ = "posts"
        member_id: uuid.UUID = Field(foreign_key="members.id")
        title: str = Field(max_length=80)
        stars: int = Field(default=0)

    return Tenancy(
        registry_.metadata, column="team_id", columns={"teams": "id"}, through={"posts": "member_id"}
    )


def through_only(dialect: str) -> Tenancy:
    """Return a schema in which nothing but the company itself has the tenant column."""
    metadata = MetaData()
    sa.Table(
        "firms",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", String(40), nullable=False),
    )
    sa.Table(
        "desks",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("firm_id", ForeignKey("firms.id"), nullable=False),
        sa.Column("place", String(40), nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
    )
    sa.Table(
        "lamps",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("desk_id", ForeignKey("desks.id"), nullable=False),
        sa.Column("colour", String(40), nullable=False),
    )
    return Tenancy(metadata, columns={"firms": "id"}, through={"desks": "firm_id", "lamps": "desk_id"})


def packed(dialect: str) -> Tenancy:
    """Return the same service with keys in bytes, and SQLAlchemy's sentinels, which no statement names."""
    tenancy = service(dialect, Packed)
    for table in tenancy.metadata[0].tables.values():
        if table.primary_key.columns:
            table.append_column(sa.insert_sentinel("sentinel"))
    return tenancy


SCHEMAS: dict[str, Callable[[str], Tenancy]] = {
    "service": service,
    "guids": guids,
    "sqlmodels": sqlmodels,
    "through_only": through_only,
}
