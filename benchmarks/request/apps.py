"""The applications that answer the measured request; one more is one more row in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.tokens import AUDIENCE, ISSUER, Signer
from tenantguard import TenantMiddleware, TokenVerifier, requires
from tenantguard.identity import MemoryCutOffs, Revocation

App = Callable[..., Any]


def bare(signer: Signer) -> App:
    """Return a route that does nothing, and nothing else."""
    return Starlette(routes=[Route("/", _nothing)])


def base_http(signer: Signer) -> App:
    """Return the route behind a ``BaseHTTPMiddleware`` that does nothing."""
    app = Starlette(routes=[Route("/", _nothing)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=_pass_on)
    return app


def tenantguard(signer: Signer) -> App:
    """Return the route behind tenantguard's middleware, its verifier new and its cache empty."""
    return _behind(_nothing, signer)


def permitted(signer: Signer) -> App:
    """Return the same where the route asks for a permission, which the token gives."""
    asks = requires("calls:read")(_nothing)
    return _behind(asks, signer, permissions_claim=lambda _claims: ["calls:read"])


def revocable(signer: Signer) -> App:
    """Return the same where tokens can be revoked."""
    return _behind(_nothing, signer, revocation=Revocation(MemoryCutOffs(), seconds=60))


def _behind(endpoint: Any, signer: Signer, **policy: Any) -> App:
    app = Starlette(routes=[Route("/", endpoint)])
    verifier = TokenVerifier(
        key=signer.public,
        algorithms=[signer.algorithm],
        audience=AUDIENCE,
        issuer=ISSUER,
        tenant_claim="company_id",
        **policy,
    )
    app.add_middleware(TenantMiddleware, verifier=verifier)
    return app


def starlette_auth(signer: Signer) -> App:
    """Return the route behind Starlette's own ``AuthenticationMiddleware`` with a PyJWT backend."""
    app = Starlette(routes=[Route("/", _nothing)])
    app.add_middleware(AuthenticationMiddleware, backend=_Backend(signer))
    return app


async def _nothing(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


class _Backend(AuthenticationBackend):
    """Verify a bearer token as the documentation of Starlette and of PyJWT would have it."""

    def __init__(self, signer: Signer) -> None:
        self._key, self._algorithms = signer.key, [signer.algorithm]

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        """Return who is asking."""
        scheme, _, token = conn.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationError("no bearer token")
        try:
            claims = jwt.decode(
                token, self._key, algorithms=self._algorithms, audience=AUDIENCE, issuer=ISSUER
            )
        except jwt.InvalidTokenError as error:
            raise AuthenticationError(str(error)) from error
        return AuthCredentials(["authenticated"]), SimpleUser(claims["sub"])


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        name: how the results call it.
        title: how people call it.
        make: returns the application for a signer.
        algorithm: what the tokens are signed with.
        fresh: each token is one that was never seen before.
    """

    name: str
    title: str
    make: Callable[[Signer], App]
    algorithm: str = "RS256"
    fresh: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("bare", "route alone", bare),
        Kind("base_http", "BaseHTTPMiddleware that does nothing", base_http),
        Kind("seen", "tenantguard, token seen before", tenantguard),
        Kind("permitted", "tenantguard, the route asks for a permission", permitted),
        Kind("revocable", "tenantguard, tokens can be revoked", revocable),
        Kind("new_HS256", "tenantguard, new HS256 token", tenantguard, "HS256", fresh=True),
        Kind("new_RS256", "tenantguard, new RS256 token", tenantguard, "RS256", fresh=True),
        Kind("new_ES256", "tenantguard, new ES256 token", tenantguard, "ES256", fresh=True),
        Kind("new_EdDSA", "tenantguard, new EdDSA token", tenantguard, "EdDSA", fresh=True),
        Kind("auth_HS256", "AuthenticationMiddleware and PyJWT, HS256", starlette_auth, "HS256"),
        Kind("auth_RS256", "AuthenticationMiddleware and PyJWT, RS256", starlette_auth, "RS256"),
        Kind("auth_ES256", "AuthenticationMiddleware and PyJWT, ES256", starlette_auth, "ES256"),
        Kind("auth_EdDSA", "AuthenticationMiddleware and PyJWT, EdDSA", starlette_auth, "EdDSA"),
    )
}
