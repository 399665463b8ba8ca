"""Schemas that are unlike the built-in models, to run the oracle over: warehouses, schools, and a diary."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantguard import Tenancy


class Stage(enum.Enum):
    """Be a value that has no literal."""

    NEW = "new"
    PACKED = "packed"
    SENT = "sent"


class Goods(DeclarativeBase):
    """Be the base of a warehouse: tenants are numbers, keys are composite or UUIDs."""

    type_annotation_map = {str: String(40)}


class Shelf(Goods):
    """Have the tenant in the key, and a shelf above it."""

    __tablename__ = "shelves"
    __table_args__ = (ForeignKeyConstraint(["owner", "above"], ["shelves.owner", "shelves.number"]),)
    owner: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    above: Mapped[int | None]
    height: Mapped[Decimal] = mapped_column(Numeric(6, 2))
    boxes: Mapped[list[Box]] = relationship(back_populates="shelf")


class Box(Goods):
    """Have a UUID for its key, and point at a composite one."""

    __tablename__ = "boxes"
    __table_args__ = (
        ForeignKeyConstraint(["owner", "shelf_number"], ["shelves.owner", "shelves.number"]),
        UniqueConstraint("owner", "label"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner: Mapped[int]
    shelf_number: Mapped[int | None]
    label: Mapped[str]
    stage: Mapped[Stage] = mapped_column(Enum(Stage, length=10))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    waited: Mapped[datetime.timedelta | None] = mapped_column(Interval)
    photo: Mapped[bytes | None] = mapped_column(LargeBinary)
    packed_at: Mapped[datetime.datetime | None]
    shelf: Mapped[Shelf | None] = relationship(back_populates="boxes")
    entries: Mapped[list[Entry]] = relationship(back_populates="box", cascade="all, delete-orphan")


class Article(Goods):
    """Be the same for all."""

    __tablename__ = "articles"
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    title: Mapped[str]


class Entry(Goods):
    """Associate a box with an article, and say how many: through the box, by a UUID."""

    __tablename__ = "entries"
    box_id: Mapped[UUID] = mapped_column(ForeignKey("boxes.id"), primary_key=True)
    article_code: Mapped[str] = mapped_column(ForeignKey("articles.code"), primary_key=True)
    count: Mapped[int]
    box: Mapped[Box] = relationship(back_populates="entries")
    article: Mapped[Article] = relationship()


goods = Tenancy(Goods.metadata, column="owner", through={"entries": "box_id"}, shared={"articles"})


class School(DeclarativeBase):
    """Be the base of schools: tenants are UUIDs, and people inherit over three tables."""

    type_annotation_map = {str: String(40)}


class Person(School):
    """Begin a chain of joined tables; each person may have a mentor."""

    __tablename__ = "people"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    school: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    mentor: Mapped[Person | None] = relationship(remote_side=[id], foreign_keys=[mentor_id])


class Teacher(Person):
    """Continue in a second table."""

    __tablename__ = "teachers"
    __mapper_args__ = {"polymorphic_identity": "teacher", "inherit_condition": None}
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    subject: Mapped[str]
    lessons: Mapped[list[Lesson]] = relationship(back_populates="teacher")


class Head(Teacher):
    """Continue in a third one."""

    __tablename__ = "heads"
    __mapper_args__ = {"polymorphic_identity": "head"}
    id: Mapped[int] = mapped_column(ForeignKey("teachers.id"), primary_key=True, autoincrement=False)
    office: Mapped[str | None]


class Lesson(School):
    """Belong through a table that itself belongs through its base."""

    __tablename__ = "lessons"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    teacher_id: Mapped[int] = mapped_column(ForeignKey("teachers.id"))
    topic: Mapped[str] = mapped_column(Text)
    teacher: Mapped[Teacher] = relationship(back_populates="lessons")


school = Tenancy(
    School.metadata,
    column="school",
    through={"teachers": "id", "heads": "id", "lessons": "teacher_id"},
)


def diary(dialect: str) -> tuple[MetaData, Tenancy]:
    """Return tables alone: with a schema where the database has them, one without a key, arrays on PostgreSQL."""
    metadata = MetaData()
    schema = None if dialect == "mysql" else "diary"
    words: Any = ARRAY(String) if dialect == "postgresql" else String(20)
    Table(
        "days",
        metadata,
        Column("day id", Integer, primary_key=True, autoincrement=False),
        Column("writer", String(20), nullable=False),
        Column("words", words),
        Column("select", Integer, nullable=False),
        schema=schema,
    )
    Table(
        "marks",
        metadata,
        Column("day", ForeignKey(f"{schema}.days.day id" if schema else "days.day id"), nullable=False),
        Column("mark", String(5), nullable=False),
        schema=schema,
    )
    Table("log", metadata, Column("writer", String(20), nullable=False), Column("line", String(40)))
    marks = f"{schema}.marks" if schema else "marks"
    return metadata, Tenancy(metadata, column="writer", through={marks: "day"})
