"""The conveniences for FastAPI and Litestar, in whole applications."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from litestar import Litestar, get
from litestar import WebSocket as LitestarSocket
from litestar import websocket as litestar_websocket
from litestar.middleware import DefineMiddleware
from litestar.response import Stream
from sqlalchemy import String, create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    NoTenantError,
    Tenancy,
    TenantMiddleware,
    bind,
    context,
    current,
    guard,
)
from tenantguard.asgi.fastapi import (
    CurrentPrincipal,
    CurrentTenant,
    GuardedSession,
    GuardedSyncSession,
    protect,
    use_sessions,
)
from tenantguard.asgi.litestar import tenant_guard
from tests.asgi.driver import Reply, Socket, bearer, request
from tests.identity.tokens import clock, token, verifier

ACME, GLOBEX = bearer(token()), bearer(token(company_id="globex"))


class Base(DeclarativeBase):
    """Be the base of the models of these tests."""


class Note(Base):
    """Be a row of one company."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(String(20), default="hello")


def tenancy() -> Tenancy:
    """Return the tenancy of these models."""
    return Tenancy(Base.metadata, column="company_id")


def application(**settings: Any) -> FastAPI:
    """Return a FastAPI application that uses every convenience."""
    app = FastAPI()

    @app.get("/me")
    async def me(principal: CurrentPrincipal, tenant: CurrentTenant) -> dict[str, str]:
        return {"subject": principal.subject, "tenant": str(tenant)}

    @app.get("/notes")
    async def notes(session: GuardedSession) -> list[str]:
        return list(await session.scalars(select(Note.text)))

    @app.get("/sync-notes")
    def sync_notes(session: GuardedSyncSession) -> bool:
        return isinstance(session, Session) and context.peek() is not None

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.websocket("/ws")
    async def ws(socket: WebSocket, tenant: CurrentTenant, session: GuardedSession) -> None:
        await socket.accept()
        await socket.send_text(f"{tenant} {isinstance(session, AsyncSession)}")

    protect(app, verifier(), exempt=["/health"], clock=clock, **settings)
    return app


async def test_the_principal_and_the_tenant_are_dependencies() -> None:
    """Of the token of this request."""
    reply = await request(application(), "/me", GLOBEX)
    assert reply.json() == {"subject": "ada", "tenant": "globex"}


async def test_a_dependency_without_a_binding_is_an_error_of_the_application() -> None:
    """As on a path that is exempt by mistake."""
    app = FastAPI()

    @app.get("/me")
    async def me(tenant: CurrentTenant) -> str:
        return str(tenant)

    protect(app, verifier(), exempt=["/me"])
    assert isinstance((await request(app, "/me")).error, NoTenantError)


@contextlib.contextmanager
def as_acme() -> Iterator[None]:
    """Bind a company."""
    with bind("acme"):
        yield


def around_the_yield() -> Iterator[None]:
    """Be a dependency that binds."""
    with bind("acme"):
        yield


def by_a_context_manager() -> Iterator[None]:
    """Be one that leaves it to another function."""
    with as_acme():
        yield


async def asynchronously() -> AsyncIterator[None]:
    """Be one that reaches its endpoint."""
    with as_acme():
        yield


@pytest.mark.parametrize(
    ("dependency", "answer"),
    [(around_the_yield, None), (by_a_context_manager, None), (asynchronously, b'"acme"')],
)
async def test_a_dependency_that_binds_reaches_its_endpoint_or_says_why_not(
    dependency: Any, answer: bytes | None
) -> None:
    """In a thread its binding would be lost, and the endpoint would go on with another one."""
    app = FastAPI()

    @app.get("/", dependencies=[Depends(dependency)])
    def who() -> str:
        return str(current().tenant)

    reply = await request(app, "/")
    assert answer is not None or "Write it as `async def`" in str(reply.error)
    assert answer is None or reply.body == answer


async def test_the_schema_stays_open_and_says_what_is_refused() -> None:
    """The scheme, and the answers 401 and 403, on every path that needs a token."""
    schema = (await request(application(), "/openapi.json")).json()
    assert schema["components"]["securitySchemes"]["TenantToken"]["scheme"] == "bearer"
    operation, open_one = schema["paths"]["/me"]["get"], schema["paths"]["/health"]["get"]
    assert operation["security"] == [{"TenantToken": []}]
    assert list(operation["responses"]["401"]["content"]) == ["application/problem+json"]
    assert {"401", "403"} <= set(operation["responses"])
    assert "security" not in open_one
    assert "401" not in open_one["responses"]


async def test_a_schema_of_concealed_violations_does_not_mention_403() -> None:
    """It would tell what is concealed."""
    schema = (await request(application(conceal=True), "/openapi.json")).json()
    responses = schema["paths"]["/me"]["get"]["responses"]
    assert ("403" in responses, "404" in responses) == (False, True)


def test_a_fault_speaks_when_the_application_is_put_together() -> None:
    """Starlette would build the middleware at the first request only."""
    with pytest.raises(ConfigurationError, match="exempt"):
        protect(FastAPI(), verifier(), exempt=["health"])


def test_sessions_of_an_unguarded_engine_are_refused_at_the_start() -> None:
    """They would see everything."""
    with pytest.raises(ConfigurationError, match="not guarded"):
        use_sessions(FastAPI(), sessionmaker(create_engine("sqlite://")))


async def test_a_guarded_session_is_a_dependency() -> None:
    """Opened from what the application was given, and closed with the request."""
    engine = guard(create_async_engine("sqlite+aiosqlite://"), tenancy())
    app = application()
    use_sessions(app, async_sessionmaker(engine))
    async with Socket(app, "/ws", ACME) as socket:
        assert (await socket.next())["type"] == "websocket.accept"
        assert await socket.text() == "acme True"
    await engine.dispose()


async def test_a_guarded_sync_session_is_a_dependency() -> None:
    """In the thread of a sync endpoint, under the same binding."""
    engine = guard(create_engine("sqlite://"), tenancy())
    app = application()
    use_sessions(app, sessionmaker(engine))
    assert (await request(app, "/sync-notes", ACME)).json() is True


async def test_a_session_that_nobody_gave_is_one_plain_sentence() -> None:
    """That says what to call."""
    reply = await request(application(), "/notes", ACME)
    assert "use_sessions(app, async_sessionmaker(engine))" in str(reply.error)


@get("/who")
async def who() -> str:
    """Answer with the tenant."""
    return str(current().tenant)


@get("/sync", sync_to_thread=True)
def who_in_a_thread() -> str:
    """Answer with the tenant, from a thread."""
    return str(current().tenant)


@get("/violation")
async def violation() -> str:
    """Reach for another company."""
    raise CrossTenantError("x")


@get("/group")
async def group() -> str:
    """Reach for another company from a task group."""
    raise ExceptionGroup("tasks", [CrossTenantError("x")])


@get("/bug")
async def bug() -> str:
    """Fail."""
    raise NoTenantError("details that are nobody's business")


@get("/stream")
async def stream() -> Stream:
    """Reach for another company in the middle of a body."""

    async def body() -> AsyncIterator[str]:
        yield str(current().tenant)
        raise CrossTenantError("x")

    return Stream(body())


@get("/health")
async def health() -> str:
    """Answer without a token."""
    return "-" if context.peek() is None else "bound"


@litestar_websocket("/ws")
async def live(socket: LitestarSocket[Any, Any, Any]) -> None:
    """Say the tenant and then reach for another company."""
    await socket.accept()
    await socket.send_text(str(current().tenant))
    raise CrossTenantError("x")


HANDLERS = [who, who_in_a_thread, violation, group, bug, stream, health, live]


def litestar(**settings: Any) -> Litestar:
    """Return a guarded Litestar application."""
    start = tenant_guard(verifier(), exempt=["/health"], clock=clock, **settings)
    return Litestar(HANDLERS, on_app_init=[start], logging_config=None)


async def asked(path: str, headers: Any = ACME, **settings: Any) -> Reply:
    """Ask Litestar, as a server does."""
    return await request(litestar(**settings), path, headers)


@pytest.mark.parametrize("path", ["/who", "/sync"])
async def test_litestar_binds_each_request(path: str) -> None:
    """In coroutines and in threads."""
    assert [(await asked(path, headers)).body for headers in (ACME, GLOBEX)] == [b"acme", b"globex"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/who", (), 401),
        ("//who", (), 401),
        ("/who/", (), 401),
        ("/violation", ACME, 403),
        ("/group", ACME, 403),
        ("/bug", ACME, 500),
        ("/health", (), 200),
        ("//health", (), 200),  # Litestar collapses slashes before any middleware, and routes it so
    ],
)
async def test_litestar_answers_as_every_framework(path: str, headers: Any, status: int) -> None:
    """What a handler raises comes as far as the middleware; a bug stays a bug, and tells nothing."""
    reply = await asked(path, headers)
    assert reply.status == status
    assert b"nobody" not in reply.body


async def test_litestar_conceals() -> None:
    """Where that is asked."""
    assert (await asked("/violation", conceal=True)).status == 404


@pytest.mark.parametrize("how", ["inside", "outside"])
async def test_litestar_with_the_middleware_alone_answers_alike(how: str) -> None:
    """Defined among its own middleware, or around the whole application, over HTTP and on websockets."""
    settings: dict[str, Any] = {"verifier": verifier(), "exempt": ["/health"], "clock": clock}
    factory: Any = TenantMiddleware  # Litestar has types of its own for what ASGI calls scope and message
    if how == "inside":
        inner: Any = Litestar(
            HANDLERS, middleware=[DefineMiddleware(factory, **settings)], logging_config=None
        )
    else:
        inner = factory(Litestar(HANDLERS, logging_config=None), **settings)
    answers = [
        await request(inner, path, ACME) for path in ("/who", "/violation", "/violation", "/bug", "/health")
    ]
    assert [answer.status for answer in answers] == [200, 403, 403, 500, 200]
    async with Socket(inner, "/ws", ACME) as socket:
        assert [await socket.next() for _ in range(3)][2]["code"] == 1008


async def test_a_violation_in_a_stream_breaks_the_connection_of_litestar() -> None:
    """The error reaches the server, and the body has no end."""
    reply = await asked("/stream")
    assert (reply.body, reply.complete, reply.error is None) == (b"acme", False, False)


async def test_a_violation_closes_a_websocket_of_litestar_with_1008() -> None:
    """Not with the code of an error of the server."""
    async with Socket(litestar(), "/ws", ACME) as socket:
        told = [await socket.next() for _ in range(3)]
    assert (told[1]["text"], told[2]["type"], told[2]["code"]) == ("acme", "websocket.close", 1008)


def test_a_fault_speaks_when_litestar_is_put_together() -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="exempt"):
        tenant_guard(verifier(), exempt=["health"])
