"""The tables, as a service has them: UUID keys, clocks, numbers that are unique in a company."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Every table of the service."""


class Key:
    """A UUID key, made in Python."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)


class OfCompany(Key):
    """A row of one company."""

    company_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("companies.id"), index=True)


class Plan(Base):
    """What a company may book; the same for all."""

    __tablename__ = "plans"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    seats: Mapped[int]


class Company(Key, Base):
    """A customer."""

    __tablename__ = "companies"
    name: Mapped[str] = mapped_column(String(80), unique=True)
    plan_code: Mapped[str] = mapped_column(ForeignKey("plans.code"), default="free")
    created_at: Mapped[datetime] = mapped_column(default=_now)


class User(Key, Base):
    """Somebody who logs in, and may belong to several companies."""

    __tablename__ = "users"
    email: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    password: Mapped[str] = mapped_column(String(200))
    is_staff: Mapped[bool] = mapped_column(default=False)


class Member(OfCompany, Base):
    """A user in a company."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("company_id", "user_id"),)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(String(20), default="member")
    user: Mapped[User] = relationship()


class Invite(OfCompany, Base):
    """A place that a company offers to somebody; whoever has the code may take it."""

    __tablename__ = "invites"
    email: Mapped[str] = mapped_column(String(120))
    code: Mapped[str] = mapped_column(String(60), unique=True)


class Project(OfCompany, Base):
    """Something that a company works on."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("company_id", "number"),)
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(default=_now)
    tasks: Mapped[list[Task]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Task(Key, Base):
    """Something to do in a project; it belongs to the project's company."""

    __tablename__ = "tasks"
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    assignee_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(Text)
    minutes: Mapped[int] = mapped_column(default=0)
    done: Mapped[bool] = mapped_column(default=False)
    project: Mapped[Project] = relationship(back_populates="tasks")
