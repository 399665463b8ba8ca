"""Relationships that delete tenants' rows: found by class and attribute, and where they are not told of twice."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantguard import Tenancy
from tenantguard.checks.relationships import relationship_findings


def models(cascade: str | None, name: str = "Call") -> Any:
    """Return a base with countries and the calls that point at them."""

    class Base(DeclarativeBase):
        held: ClassVar[tuple[type, ...]] = ()

    class Country(Base):
        __tablename__ = "countries"
        id: Mapped[int] = mapped_column(primary_key=True)
        calls: Mapped[list[Any]] = relationship(name, cascade=cascade or "save-update, merge")

    class Call(Base):
        __tablename__ = "calls"
        id: Mapped[int] = mapped_column(primary_key=True)
        company_id: Mapped[int] = mapped_column(Integer, index=True)
        country_id: Mapped[int] = mapped_column(ForeignKey("countries.id"))

    # SQLAlchemy holds mapped classes weakly, and the collector comes when it likes
    Base.held = (Country, Call)
    return Base


def told(base: Any, **how: Any) -> list[tuple[str, str, str]]:
    """Return id, severity and place of what is found."""
    tenancy = Tenancy(base.metadata, column="company_id", **how)
    return [(one.rule.id, one.severity, one.place) for one in relationship_findings(tenancy)]


def test_a_cascade_of_the_orm_from_a_shared_row_is_found() -> None:
    """As that of a foreign key is; one that tenants may write is an error."""
    assert told(models("all, delete-orphan"), shared={"countries"}) == [("TG109", "warning", "Country.calls")]
    assert told(models("delete"), shared_writable={"countries"}) == [("TG109", "error", "Country.calls")]


@pytest.mark.parametrize("cascade", [None, "save-update, merge, expunge"])
def test_a_relationship_that_deletes_nothing_is_none(cascade: str | None) -> None:
    """The default cascade deletes no row."""
    assert told(models(cascade), shared={"countries"}) == []


def test_classes_that_cannot_be_mapped_are_one_sentence() -> None:
    """A relationship to a class that is nowhere does not end the check."""
    base = models("all", name="Nowhere")
    ((id_, severity, place),) = told(base, shared={"countries"})
    assert (id_, severity, place) == ("TG904", "warning", "relationships")
    base.registry.dispose()  # or no other class in this process could be configured
