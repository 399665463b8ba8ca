"""SQLAlchemy-Continuum: version tables keep the company's column, and are placed like any other table."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column
from sqlalchemy_continuum import make_versioned

from tenantguard import Tenancy

make_versioned(user_cls=None)


class Base(DeclarativeBase):
    """The versioned tables."""


class Contract(Base):
    """A contract of a company; its versions are kept in contracts_version."""

    __tablename__ = "contracts"
    __versioned__: dict[str, object] = {}

    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(80))


configure_mappers()  # makes the version tables, which the tenancy has to see

tenancy = Tenancy(
    Base.metadata,
    column="company_id",  # contracts, and contracts_version
    nullable={"contracts_version"},  # Continuum makes every column of a version nullable
    shared_writable={"transaction"},  # a number and a time, for everybody
)
