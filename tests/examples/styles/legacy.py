"""A shop written years ago: ``session.query`` everywhere, back references, and joined-table inheritance."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, String, func
from sqlalchemy.orm import Session, aliased, backref, declarative_base, joinedload, relationship, subqueryload

Base: Any = declarative_base()


class Customer(Base):  # type: ignore[misc]  # such a base has no type, as it had none then
    """Somebody who buys."""

    __tablename__ = "customers"
    id = Column(Integer, primary_key=True)
    shop = Column(String(40), nullable=False)
    name = Column(String(40))


class Order(Base):  # type: ignore[misc]  # the same
    """What was bought, by post or at the counter."""

    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    shop = Column(String(40), nullable=False)
    customer_id: Any = Column(ForeignKey("customers.id"))
    total = Column(Integer, default=0)
    kind = Column(String(10))
    customer = relationship(Customer, backref=backref("orders", lazy="dynamic"))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "counter"}


class PostalOrder(Order):
    """An order that is sent."""

    __tablename__ = "postal_orders"
    id = Column(ForeignKey("orders.id"), primary_key=True)
    address = Column(String(80))
    __mapper_args__ = {"polymorphic_identity": "postal"}


class Shop:
    """The shop's functions, around one session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def customer(self, name: str) -> Any:
        """Return a customer by name, made where there is none yet."""
        found = self.session.query(Customer).filter_by(name=name).first()
        if found is None:
            found = Customer(name=name)
            self.session.add(found)
            self.session.flush()
        return found

    def buy(self, name: str, total: int, address: str | None = None) -> Any:
        """Write an order."""
        kind: Any = Order if address is None else PostalOrder
        order = kind(customer=self.customer(name), total=total)
        if address is not None:
            order.address = address
        self.session.add(order)
        self.session.commit()
        return order

    def orders_of(self, name: str) -> list[int]:
        """Return the totals of a customer's orders, by a dynamic relationship."""
        return sorted(order.total for order in self.customer(name).orders.filter(Order.total > 0))

    def count(self) -> int:
        """Count orders the old way."""
        return self.session.query(Order).options(joinedload(Order.customer)).count()

    def page(self, first: int, last: int) -> list[Any]:
        """Slice a query."""
        query = self.session.query(Order).order_by(Order.total).options(subqueryload(Order.customer))
        return list(query[first:last])

    def best(self) -> list[tuple[Any, ...]]:
        """Rank customers by an aliased join and a having clause."""
        order = aliased(Order)
        query: Any = self.session.query(Customer.name, func.sum(order.total)).join(
            order, order.customer_id == Customer.id
        )
        return [
            tuple(row)
            for row in query.group_by(Customer.name).having(func.sum(order.total) > 0).order_by(Customer.name)
        ]

    def addresses(self) -> list[str]:
        """Read a column of the child alone."""
        query: Any = self.session.query(PostalOrder.address).order_by(PostalOrder.address)
        return [row[0] for row in query]

    def discount(self, by: int) -> int:
        """Lower every total."""
        return self.session.query(Order).update({Order.total: Order.total - by}, synchronize_session="fetch")

    def forget(self, name: str) -> int:
        """Delete customers by name."""
        return self.session.query(Customer).filter(Customer.name == name).delete(synchronize_session=False)

    def exists(self, name: str) -> bool:
        """Tell whether there is a customer."""
        return bool(self.session.query(self.session.query(Customer).filter_by(name=name).exists()).scalar())
