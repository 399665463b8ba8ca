"""More models for the table of statement forms: mappings that the call centre of the other tests does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, FetchedValue, ForeignKey, Integer, MetaData, String, Table, func, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    WriteOnlyMapped,
    column_property,
    composite,
    deferred,
    mapped_column,
    query_expression,
    registry,
    relationship,
    synonym,
)

COMPANY = "company_id"


class Extra(DeclarativeBase):
    """Be the base of these models."""


@dataclass
class Size:
    """Be a value of two columns."""

    width: int
    height: int


class Paper(Extra):
    """Owned, by attributes and columns of different names; versioned, and deleted by a mark."""

    __tablename__ = "papers"
    id: Mapped[int] = mapped_column("paper_no", primary_key=True, autoincrement=False)
    firm: Mapped[str] = mapped_column(COMPANY, String(40))
    title: Mapped[str] = mapped_column("heading", String(40), default="")
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    body: Mapped[str] = deferred(mapped_column(String(40), default=""))
    deleted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    size: Mapped[Size] = composite("width", "height")
    name: Mapped[str] = synonym("title")
    extra: Mapped[int] = query_expression()
    pages: Mapped[list[Page]] = relationship(back_populates="paper", order_by="Page.id")
    more_pages: WriteOnlyMapped[Page] = relationship(viewonly=True)
    texts: AssociationProxy[list[str]] = association_proxy("pages", "text")
    __mapper_args__ = {"version_id_col": version}

    @hybrid_property
    def area(self) -> int:
        """Return width times height."""
        return self.width * self.height


class Page(Extra):
    """Through its paper."""

    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    paper_id: Mapped[int] = mapped_column(ForeignKey("papers.paper_no"))
    text: Mapped[str] = mapped_column(String(40))
    paper: Mapped[Paper] = relationship(back_populates="pages")


Paper.page_count = column_property(
    select(func.count(Page.id)).where(Page.paper_id == Paper.id).correlate_except(Page).scalar_subquery()
)


class Defaulted(Extra):
    """Owned; the columns have defaults of their own, which name another tenant and another tenant's row."""

    __tablename__ = "defaulted"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40), default="globex", server_default="globex")
    paper_id: Mapped[int] = mapped_column(ForeignKey("papers.paper_no"), default=101)
    note: Mapped[str] = mapped_column(String(40), default="", server_default=FetchedValue())


class Touched(Extra):
    """Owned; an UPDATE sets its columns to another tenant and another tenant's row, unasked."""

    __tablename__ = "touched"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40), onupdate="globex")
    note: Mapped[str] = mapped_column(String(40), default="")


class Linked(Extra):
    """Owned; an UPDATE sets its foreign key, unasked."""

    __tablename__ = "linked"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40))
    paper_id: Mapped[int] = mapped_column(ForeignKey("papers.paper_no"), onupdate=lambda: 101)
    note: Mapped[str] = mapped_column(String(40), default="")


class Vehicle(Extra):
    """The base of concrete inheritance, owned."""

    __tablename__ = "vehicles"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40))
    wheels: Mapped[int] = mapped_column(default=4)
    __mapper_args__ = {"polymorphic_identity": "vehicle", "concrete": True}


class Lorry(Vehicle):
    """The child of concrete inheritance: a whole table of its own, owned too."""

    __tablename__ = "lorries"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str] = mapped_column(String(40))
    wheels: Mapped[int] = mapped_column(default=6)
    load: Mapped[int] = mapped_column(default=0)
    __mapper_args__ = {"polymorphic_identity": "lorry", "concrete": True}


class Point(MappedAsDataclass, Extra):
    """A model that is a dataclass."""

    __tablename__ = "points"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[str | None] = mapped_column(String(40), nullable=False, default=None)
    x: Mapped[int] = mapped_column(default=0)


boxes = Table(
    "boxes",
    Extra.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column(COMPANY, String(40), nullable=False),
    Column("label", String(40), default=""),
)


class Box:
    """A plain class, mapped imperatively."""

    id: int
    company_id: str
    label: str

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


imperative = registry(metadata=Extra.metadata)
imperative.map_imperatively(Box, boxes)

metadata: MetaData = Extra.metadata


def rows_of(tenant: str, first: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one tenant by table."""
    mine = {COMPANY: tenant}
    return {
        "papers": [
            {
                **mine,
                "paper_no": first,
                "heading": "one",
                "width": 2,
                "height": 3,
                "deleted": False,
                "version": 1,
            },
            {
                **mine,
                "paper_no": first + 1,
                "heading": "two",
                "width": 1,
                "height": 1,
                "deleted": True,
                "version": 1,
            },
        ],
        "pages": [
            {"id": first, "paper_id": first, "text": f"{tenant} page"},
            {"id": first + 1, "paper_id": first, "text": "second"},
        ],
        "touched": [{**mine, "id": first}],
        "linked": [{**mine, "id": first, "paper_id": first}],
        "vehicles": [{**mine, "id": first, "wheels": 4}],
        "lorries": [{**mine, "id": first, "wheels": 6, "load": first}],
        "points": [{**mine, "id": first, "x": first}],
        "boxes": [{**mine, "id": first, "label": tenant}],
    }
