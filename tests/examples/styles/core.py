"""A billing service on SQLAlchemy Core: tables, connections and functions, no ORM; companies have numbers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    Row,
    String,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    union_all,
    update,
)

metadata = MetaData()
firms = Table("firms", metadata, Column("id", Integer, primary_key=True), Column("name", String(40)))
invoices = Table(
    "invoices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("customer", String(40), nullable=False),
    Column("paid", Integer, nullable=False, default=0),
)
lines = Table(
    "invoice_lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False),
    Column("amount", Numeric(10, 2), nullable=False),
)
currencies = Table("currencies", metadata, Column("code", String(3), primary_key=True))


def create_invoice(connection: Connection, customer: str, amounts: Sequence[int]) -> int:
    """Write an invoice with its lines and return its id."""
    result = connection.execute(insert(invoices).values(customer=customer))
    number = int(result.inserted_primary_key[0])  # type: ignore[index]  # an insert of one row has a key
    add_lines(connection, number, amounts)
    return number


def add_lines(connection: Connection, invoice: int, amounts: Sequence[int]) -> None:
    """Add lines to an invoice."""
    connection.execute(insert(lines), [{"invoice_id": invoice, "amount": amount} for amount in amounts])


def totals(connection: Connection) -> list[tuple[str, int]]:
    """Sum up each invoice."""
    query = (
        select(invoices.c.customer, func.sum(lines.c.amount))
        .select_from(invoices.outerjoin(lines))
        .group_by(invoices.c.id, invoices.c.customer)
        .order_by(invoices.c.customer)
    )
    return [(customer, int(total or 0)) for customer, total in connection.execute(query)]


def turnover(connection: Connection) -> int:
    """Sum up every line, without naming the invoices."""
    return int(connection.scalar(select(func.coalesce(func.sum(lines.c.amount), 0))) or 0)


def pay(connection: Connection, invoice: int) -> int:
    """Mark an invoice as paid and return how many were."""
    query = update(invoices).where(invoices.c.id == bindparam("number")).values(paid=1)
    return connection.execute(query, {"number": invoice}).rowcount


def drop_small_lines(connection: Connection, below: int) -> int:
    """Delete lines by their amount alone."""
    return connection.execute(delete(lines).where(lines.c.amount < below)).rowcount


def customers_with_large_lines(connection: Connection, above: int) -> list[str]:
    """Find customers by a subquery."""
    large = exists().where(lines.c.invoice_id == invoices.c.id, lines.c.amount > above)
    return list(connection.scalars(select(invoices.c.customer).where(large).order_by(invoices.c.customer)))


def journal(connection: Connection) -> Sequence[Row[str, int]]:
    """List invoices and lines together, from a union in a CTE."""
    both = union_all(
        select(invoices.c.customer.label("what"), invoices.c.id.label("number")),
        select(func.coalesce("line", "").label("what"), lines.c.id.label("number")),
    ).cte("both_kinds")
    return connection.execute(select(both.c.what, both.c.number).order_by(both.c.what, both.c.number)).all()
