"""The tables of the call centre: what companies own, what belongs through a call, what all share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, ForeignKey, Index, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """Keep an instant as UTC without a zone, which SQLite and PostgreSQL store and compare alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value as the database keeps it."""
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the value as the application sees it."""
        return value.replace(tzinfo=UTC) if value is not None else None


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Gather the tables."""


class Owned:
    """Give a table the column that says which company owns each row."""

    company_id: Mapped[str] = mapped_column(ForeignKey("companies.id"), index=True)


class Country(Base):
    """A country and its dialling prefix; the same rows for every company."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    prefix: Mapped[str] = mapped_column(String(6))


class Company(Base):
    """A customer of the service."""

    __tablename__ = "companies"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))


class User(Owned, Base):
    """Somebody who answers calls."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("company_id", "email"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(200))


class Number(Owned, Base):
    """A telephone number that customers of the company dial."""

    __tablename__ = "numbers"
    __table_args__ = (UniqueConstraint("company_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(60))
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))


class Call(Owned, Base):
    """One telephone call, answered or not."""

    __tablename__ = "calls"
    __table_args__ = (Index("ix_calls_company_id_started_at", "company_id", "started_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number_id: Mapped[int] = mapped_column(ForeignKey("numbers.id"), index=True)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    direction: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(10))
    caller: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    seconds: Mapped[int] = mapped_column(default=0)

    number: Mapped[Number] = relationship(lazy="raise")
    agent: Mapped[User | None] = relationship(lazy="raise")
    tags: Mapped[list[CallTag]] = relationship(lazy="raise", order_by="CallTag.tag")
    comments: Mapped[list[Comment]] = relationship(lazy="raise", order_by="Comment.id")


class CallTag(Base):
    """A word put on a call; it has no company of its own and belongs to whoever owns the call."""

    __tablename__ = "call_tags"

    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(30), primary_key=True)


class Comment(Owned, Base):
    """What somebody noted about a call."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id"), index=True)
    text: Mapped[str] = mapped_column(String(500))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
