"""The world of a hostile write: tables whose keys have several types, acme's rows, and globex's beside them."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Engine, ForeignKey, ForeignKeyConstraint, Integer, String, Uuid, delete, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantguard import Tenancy

Content = dict[str, list[tuple[Any, ...]]]


class Base(DeclarativeBase):
    """The base of these models."""


class Call(Base):
    """Owned; others hang on it by its number."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    text: Mapped[str | None] = mapped_column(String(40))


class Code(Base):
    """Owned; its key is a short text."""

    __tablename__ = "codes"
    code: Mapped[str] = mapped_column(String(5), primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))


class Thing(Base):
    """Owned; its key is a UUID."""

    __tablename__ = "things"
    id: Mapped[uuid.UUID] = mapped_column(Uuid(), primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))


class Pair(Base):
    """Owned; its key has two columns."""

    __tablename__ = "pairs"
    a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40))


class Tag(Base):
    """Belongs through its call."""

    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(Integer, ForeignKey("calls.id"))
    text: Mapped[str | None] = mapped_column(String(40))


class Note(Base):
    """Owned, with a foreign key of each kind, and one to its own table."""

    __tablename__ = "notes"
    __table_args__ = (ForeignKeyConstraint(["a", "b"], ["pairs.a", "pairs.b"]),)
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    call_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("calls.id"))
    tag_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("tags.id"))
    code: Mapped[str | None] = mapped_column(String(5), ForeignKey("codes.code"))
    thing_id: Mapped[uuid.UUID | None] = mapped_column(Uuid(), ForeignKey("things.id"))
    parent_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("notes.id"))
    a: Mapped[int | None] = mapped_column()
    b: Mapped[int | None] = mapped_column()
    text: Mapped[str | None] = mapped_column(String(40))


TABLES = Base.metadata.sorted_tables
_FIRST = {"acme": 1, "globex": 7}
CODES = {"acme": "ours", "globex": "globx"}
MISSING = 777


def number(whose: str) -> int:
    """Return the number that acme's row has, or globex's, or none."""
    return _FIRST.get(whose, MISSING)


def rows_of(tenant: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a company, by table."""
    at, mine = _FIRST[tenant], {"company_id": tenant}
    return {
        "calls": [{"id": at, **mine}, {"id": at + 1, **mine}],
        "codes": [{"code": CODES[tenant], **mine}],
        "things": [{"id": uuid.UUID(int=at), **mine}],
        "pairs": [{"a": at, "b": 1, **mine}],
        "tags": [{"id": at, "call_id": at}],
        "notes": [{"id": at, **mine}, {"id": at + 1, **mine, "parent_id": at}],
    }


def tenancy() -> Tenancy:
    """Place the tables."""
    return Tenancy(Base.metadata, column="company_id", through={"tags": "call_id"})


def refill(plain: Engine, *tenants: str) -> None:
    """Give a database the rows of some companies, and no others."""
    with plain.begin() as connection:
        for table in reversed(TABLES):
            if table.name == "notes":  # MariaDB looks at a row's own table row by row
                connection.execute(table.update().values(parent_id=None))
            connection.execute(delete(table))
        for table in TABLES:
            for tenant in tenants:
                connection.execute(insert(table), rows_of(tenant)[table.name])


def content(plain: Engine) -> Content:
    """Return every row of every table."""
    with plain.connect() as connection:
        return {t.name: sorted(map(tuple, connection.execute(select(t))), key=repr) for t in TABLES}


def split(rows: Content) -> tuple[Content, Content]:
    """Return the rows that acme has, and globex's."""
    theirs: Content = {name: [] for name in rows}
    ours: Content = {name: [] for name in rows}
    calls = {row[0]: row[1] for row in rows["calls"]}
    for name, found in rows.items():
        for row in found:
            owner = calls.get(row[1]) if name == "tags" else next((c for c in row if c in _FIRST), None)
            (theirs if owner == "globex" else ours)[name].append(row)
    return ours, theirs
