"""fastapi-users: login happens before a company is known, and the token it gives names the company."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.jwt import generate_jwt
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantguard import Tenancy, TenantMiddleware, TokenVerifier, bypass

SECRET = "a secret of at least thirty-two bytes"
AUDIENCE = "fastapi-users:auth"


class Base(DeclarativeBase):
    """The tables."""


class Account(SQLAlchemyBaseUserTableUUID, Base):
    """A user, who belongs to one company."""

    company_id: Mapped[str] = mapped_column(String(40))


tenancy = Tenancy(Base.metadata, column="company_id")


class Manager(UUIDIDMixin, BaseUserManager[Account, uuid.UUID]):
    """The rules for accounts; fastapi-users has the defaults."""


class CompanyStrategy(JWTStrategy[Account, uuid.UUID]):
    """Tokens that name the company of the user."""

    async def write_token(self, user: Account) -> str:
        """Return a token."""
        claims = {"sub": str(user.id), "aud": self.token_audience, "company_id": user.company_id}
        return generate_jwt(claims, self.encode_key, self.lifetime_seconds, algorithm=self.algorithm)


async def before_a_company() -> AsyncIterator[None]:
    """Look for a user among those of all companies, for this request."""
    with bypass(reason="login: no company is known"):
        yield


def create_app(sessions: async_sessionmaker[AsyncSession]) -> FastAPI:
    """Return an application with a login, and a route for those who are logged in."""

    async def manager() -> AsyncIterator[Manager]:
        async with sessions() as session:
            yield Manager(SQLAlchemyUserDatabase(session, Account))

    def strategy() -> CompanyStrategy:
        return CompanyStrategy(SECRET, lifetime_seconds=3600, token_audience=[AUDIENCE])

    backend = AuthenticationBackend("jwt", BearerTransport("login"), strategy)
    users = FastAPIUsers[Account, uuid.UUID](manager, [backend])
    app = FastAPI()
    app.include_router(users.get_auth_router(backend), dependencies=[Depends(before_a_company)])

    @app.get("/me")
    async def me(user: Account = Depends(users.current_user(active=True))) -> dict[str, str]:  # noqa: B008
        return {"email": user.email, "company": user.company_id}

    verifier = TokenVerifier(key=SECRET, algorithms=["HS256"], audience=AUDIENCE, tenant_claim="company_id")
    app.add_middleware(TenantMiddleware, verifier=verifier, exempt=["/login"])
    return app
