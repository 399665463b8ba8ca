"""Small applications in the styles that people write, each with the guard put in.

The applications are in ``styles``; what is here is what it takes to guard them, and what must then hold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.middleware import DefineMiddleware
from sqlalchemy import Engine, MetaData, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Session as SQLModelSession
from sqlmodel import SQLModel

from examples.fastapi_app.tokens import ALGORITHM, AUDIENCE, ISSUER, Issuer
from tenantguard import (
    CrossTenantError,
    NoTenantError,
    Tenancy,
    TenantMiddleware,
    TenantSwitchError,
    TokenVerifier,
    Violation,
    bind,
    bypass,
    guard,
)
from tests.examples.styles import core, legacy, rooms, tickets, warehouse
from tests.servers import Database

ONE, TWO = UUID(int=1), UUID(int=2)
Http = Callable[..., httpx.AsyncClient]


@pytest.fixture
def http(issuer: Issuer) -> Http:
    """Return a function that gives a client of an application, with a company's token."""

    def client(app: object, company: object) -> httpx.AsyncClient:
        token = issuer.sign("ada", str(company))
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]  # any ASGI application will do
            base_url="http://app.example",
            headers={"Authorization": f"Bearer {token}"},
        )

    return client


def _guarded(engine: Engine, tenancy: Tenancy, metadata: MetaData) -> Engine:
    guarded = guard(engine, tenancy)
    with bypass(reason="creating the tables of a test"), guarded.begin() as connection:
        metadata.create_all(connection)
    return guarded


@pytest.fixture
def billing(database: Database) -> Engine:
    """Guard the service on Core, with two firms that have one invoice each."""
    tenancy = Tenancy(
        core.metadata,
        column="firm_id",
        columns={"firms": "id"},
        through={"invoice_lines": "invoice_id"},
        shared={"currencies"},
    )
    engine = _guarded(database.create_engine(), tenancy, core.metadata)
    with bypass(reason="two firms"), engine.begin() as connection:
        connection.execute(insert(core.firms), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    for firm, amounts in ((1, [10, 20]), (2, [500, 600, 700])):
        with bind(firm), engine.begin() as connection:
            core.create_invoice(connection, f"customer of {firm}", amounts)
    return engine


def test_core_reads(billing: Engine) -> None:
    """Joins, aggregates, subqueries and unions in a CTE come to one firm's rows."""
    with bind(1), billing.connect() as connection:
        assert core.totals(connection) == [("customer of 1", 30)]
        assert core.turnover(connection) == 30
        assert core.customers_with_large_lines(connection, above=15) == ["customer of 1"]
        assert [tuple(row) for row in core.journal(connection)] == [
            ("customer of 1", 1),
            ("line", 1),
            ("line", 2),
        ]


def test_core_writes(billing: Engine) -> None:
    """An update and a delete by a condition that fits another firm's rows reach none of them."""
    with bind(1), billing.begin() as connection:
        assert core.pay(connection, 2) == 0
        assert core.pay(connection, 1) == 1
        assert core.drop_small_lines(connection, below=1000) == 2
    with bind(2), billing.connect() as connection:
        assert core.turnover(connection) == 1800
        assert connection.scalar(select(core.invoices.c.paid)) == 0


def test_core_lines_on_another_firms_invoice(billing: Engine) -> None:
    """A line cannot be added to another firm's invoice."""
    with bind(1), billing.begin() as connection, pytest.raises(CrossTenantError, match="invoices"):
        core.add_lines(connection, 2, [1])


def test_core_without_a_binding(billing: Engine) -> None:
    """With nothing bound, nothing is read."""
    with billing.connect() as connection, pytest.raises(NoTenantError):
        core.turnover(connection)


@pytest.fixture
def desk(database: Database) -> Engine:
    """Guard the help desk on SQLModel."""
    metadata = SQLModel.metadata
    tenancy = Tenancy(metadata, column="org_id", columns={"orgs": "id"}, through={"replies": "ticket_id"})
    engine = _guarded(database.create_engine(), tenancy, metadata)
    with bypass(reason="two companies"), SQLModelSession(engine) as session:
        session.add_all([tickets.Org(id=ONE, name="one"), tickets.Org(id=TWO, name="two")])
        session.commit()
    return engine


@pytest.fixture
async def desks(desk: Engine, issuer: Issuer, http: Http) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """Give the clients of two companies, each with a ticket that has an answer."""
    app = tickets.create_app(desk)
    app.add_middleware(
        TenantMiddleware,
        verifier=TokenVerifier(
            key=issuer.public_key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            tenant_claim="company_id",
            tenant_type=UUID,
        ),
    )
    clients = http(app, ONE), http(app, TWO)
    for number, client in enumerate(clients, start=1):
        assert (await client.post("/tickets", params={"title": f"ticket of {number}"})).status_code == 200
        assert (await client.post(f"/tickets/{number}/replies", params={"text": "hm"})).status_code == 200
    return clients


async def test_sqlmodel_reads(desks: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Lists, keys, counts and relationships come to one company's rows, with synchronous endpoints too."""
    one, _ = desks
    assert [ticket["title"] for ticket in (await one.get("/tickets")).json()] == ["ticket of 1"]
    assert (await one.get("/replies/count")).json() == 1
    assert (await one.get("/tickets/1/replies")).json() == ["hm"]
    assert [(await one.get(f"/tickets/{number}")).status_code for number in (1, 2, 3)] == [200, 404, 404]


async def test_sqlmodel_writes(desks: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Another company's ticket is neither answered nor deleted."""
    one, two = desks
    assert (await one.post("/tickets/2/replies", params={"text": "mine"})).status_code == 403
    assert (await one.delete("/tickets/2")).status_code == 404
    assert (await two.get("/tickets/2/replies")).json() == ["hm"]


@pytest.fixture
async def stores(
    async_database: Database, issuer: Issuer, http: Http
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Guard the warehouse on Litestar, and give the clients of two merchants."""
    metadata = warehouse.Base.metadata
    tenancy = Tenancy(metadata, column="merchant", through={"moves": "item_id"})
    async with async_database.async_engine() as engine:
        guard(engine, tenancy)
        with bypass(reason="creating the tables of a test"):
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        factory: Any = TenantMiddleware  # Litestar has types of its own for what ASGI calls scope and message
        middleware = DefineMiddleware(factory, verifier=issuer.verifier())
        app: Litestar = warehouse.create_app(engine, [middleware])
        one, two = http(app, "one"), http(app, "two")
        assert (await one.post("/items/bolt?quantity=5")).json() == 1
        assert (await two.post("/items/nut?quantity=70")).json() == 2
        yield one, two


async def test_litestar_reads(stores: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """A session that the framework injects reads one merchant's rows."""
    one, two = stores
    assert [(await client.get("/items")).json() for client in (one, two)] == [{"bolt": 5}, {"nut": 70}]
    assert [(await client.get("/stock")).json() for client in (one, two)] == [5, 70]


async def test_litestar_writes(stores: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """An item is renamed by its own merchant only."""
    one, two = stores
    assert (await one.patch("/items/2?name=mine")).status_code == 404
    assert (await two.patch("/items/2?name=washer")).text == "washer"
    assert (await two.get("/items")).json() == {"washer": 70}


async def test_litestar_asks_for_a_token(stores: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Without a token the application does not run."""
    one, _ = stores
    del one.headers["Authorization"]
    assert (await one.get("/items")).status_code == 401


@pytest.fixture
def hotels(
    database: Database, issuer: Issuer, http: Http
) -> Iterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Guard the booking service on Starlette, and give the clients of two hotels with a room and a guest each."""
    metadata = rooms.mappers.metadata
    engine = _guarded(database.create_engine(), Tenancy(metadata, column="hotel_id"), metadata)
    for hotel in ("one", "two"):
        with bind(hotel), Session(engine) as session:
            session.add_all([rooms.Room(f"room of {hotel}"), rooms.Guest(f"guest of {hotel}")])
            session.commit()
    app = rooms.create_app(engine)
    app.add_middleware(TenantMiddleware, verifier=issuer.verifier())
    yield http(app, "one"), http(app, "two")
    rooms.session.remove()


async def test_starlette_reads_and_books(hotels: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Endpoints in threads, on one scoped session for all, keep the hotels apart."""
    for number, hotel, client in zip((1, 2), ("one", "two"), hotels, strict=True):
        answer = await client.post(f"/bookings?room={number}&guest={number}")
        assert answer.status_code == 200, answer.text
        assert (await client.get("/rooms")).json() == {f"room of {hotel}": [f"guest of {hotel}"]}


@pytest.mark.parametrize(("room", "guest"), [(2, 1), (1, 2), (2, 2)])
async def test_starlette_finds_nothing_of_the_other(
    hotels: tuple[httpx.AsyncClient, httpx.AsyncClient], room: int, guest: int
) -> None:
    """Room and guest of the other hotel are not found by their keys."""
    assert (await hotels[0].post(f"/bookings?room={room}&guest={guest}")).status_code == 404


@pytest.mark.parametrize(("room", "guest", "status"), [(1, 2, 409), (1, 3, 409), (2, 1, 409), (3, 1, 409)])
async def test_starlette_books_nothing_of_the_other(
    hotels: tuple[httpx.AsyncClient, httpx.AsyncClient], room: int, guest: int, status: int
) -> None:
    """An association row cannot name the other's guest or room, which to the application are just missing."""
    one, two = hotels
    assert (await one.post(f"/blind-bookings?room={room}&guest={guest}")).status_code == status
    assert (await two.get("/rooms")).json() == {"room of two": []}


async def test_starlette_renames_own_rooms(hotels: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """An update of every row is one of every row of the hotel."""
    one, two = hotels
    assert (await one.put("/rooms?name=suite")).json() == {"renamed": 1}
    assert list((await two.get("/rooms")).json()) == ["room of two"]


@pytest.fixture
def shop(database: Database) -> Iterator[Callable[[], legacy.Shop]]:
    """Guard the shop of old, with an order by post and one at the counter in each of two shops."""
    metadata = legacy.Base.metadata
    engine = _guarded(database.create_engine(), Tenancy(metadata, column="shop"), metadata)
    for name, total in (("one", 10), ("two", 1000)):
        with bind(name), Session(engine) as session:
            shop = legacy.Shop(session)
            shop.buy("Ada", total)
            shop.buy("Ada", total * 2, address=f"{name} street")
    with Session(engine) as session:
        yield partial(legacy.Shop, session)


def test_legacy_query_reads(shop: Callable[[], legacy.Shop]) -> None:
    """Counts, slices, dynamic relationships, aliased joins and columns of a child come to one shop's rows."""
    with bind("one"):
        at = shop()
        assert at.count() == 2
        assert [order.total for order in at.page(0, 5)] == [10, 20]
        assert at.orders_of("Ada") == [10, 20]
        assert at.best() == [("Ada", 30)]
        assert at.addresses() == ["one street"]


def test_legacy_query_update(shop: Callable[[], legacy.Shop]) -> None:
    """An update of every order is one of every order of the shop."""
    at = shop()
    with bind("one"):
        assert at.discount(1) == 2
        at.session.commit()
        assert at.orders_of("Ada") == [9, 19]


def test_legacy_query_delete_leaves_the_other(shop: Callable[[], legacy.Shop]) -> None:
    """A delete by a name that both shops know deletes in one of them."""
    at = shop()
    with bind("one"):
        at.session.query(legacy.PostalOrder).delete()
        at.session.query(legacy.Order).delete()
        assert at.forget("Ada") == 1
        at.session.commit()
        assert not at.exists("Ada")
    with bind("two"), Session(at.session.get_bind()) as session:
        other = legacy.Shop(session)
        assert other.exists("Ada")
        assert other.orders_of("Ada") == [1000, 2000]
        assert other.addresses() == ["two street"]


def test_legacy_session_of_another_shop(shop: Callable[[], legacy.Shop]) -> None:
    """A session that is kept for ever is refused once it was another shop's."""
    at = shop()
    with bind("one"):
        at.count()
    with bind("two"), pytest.raises(TenantSwitchError):
        at.count()


def test_legacy_order_for_anothers_customer(shop: Callable[[], legacy.Shop]) -> None:
    """An order cannot name another shop's customer."""
    at = shop()
    with bypass(reason="finding the other's customer"), Session(at.session.get_bind()) as session:
        theirs = session.query(legacy.Customer.id).filter_by(shop="two").scalar()
    with bind("one"):
        at.session.add(legacy.Order(customer_id=theirs, total=1))
        with pytest.raises(Violation, match="customers"):
            at.session.commit()
