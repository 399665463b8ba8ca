"""``tenantguard revoke``: revoke tokens everywhere, from a terminal or an off-boarding script."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from tenantguard.cli.quiet import quiet
from tenantguard.cli.targets import load
from tenantguard.errors import ConfigurationError
from tenantguard.identity import CutOffs, RedisCutOffs, Revocation, SQLCutOffs

_REDIS = ("redis", "rediss", "unix", "valkey", "valkeys")
_SECONDS = 10.0  # for which the store is waited for


def revoke(
    store: Annotated[
        str,
        typer.Option(
            metavar="URL|MODULE:STORE",
            envvar="TENANTGUARD_REVOCATIONS",
            help="the store of cut-offs: redis://..., a database URL, or module:name of a store or Revocation",
        ),
    ],
    subject: Annotated[list[str] | None, typer.Option(help="a user (sub); repeatable")] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="a company, with all its users; repeatable")
    ] = None,
    session: Annotated[list[str] | None, typer.Option(help="a session (sid); repeatable")] = None,
    token: Annotated[list[str] | None, typer.Option(help="a token's id (jti); repeatable")] = None,
    issuer: Annotated[
        str | None, typer.Option(help="only tokens of this issuer; without other options, all of them")
    ] = None,
) -> None:
    """Revoke tokens that were issued until now. Exits with 1 if the store does not accept it."""
    named = {"subject": subject, "tenant": tenant, "session": session, "token": token}
    wanted: list[dict[str, Any]] = [{kind: value} for kind, values in named.items() for value in values or ()]
    if not wanted and issuer is not None:
        wanted = [{}]
    if not wanted:
        raise typer.BadParameter("name what to revoke: --subject, --tenant, --session, --token or --issuer")
    try:
        with quiet():
            revocation = revocation_of(store)
        asyncio.run(_revoke(revocation, wanted, issuer))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error


async def _revoke(revocation: Revocation, wanted: list[dict[str, Any]], issuer: str | None) -> None:
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    beside = "" if issuer is None else f" of {issuer}"
    for one in wanted:
        what = " ".join(f"{kind} {value}" for kind, value in one.items()) or "every token"
        try:
            with quiet():
                async with asyncio.timeout(_SECONDS):
                    await revocation.revoke(**one, issuer=issuer)
        except ConfigurationError:
            raise
        except Exception as error:  # whatever the store's driver raises, this and what follows still counts
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            err.print(f"not revoked: {what}{beside}; the store did not accept it ({told})", markup=False)
            raise typer.Exit(1) from error
        out.print(f"revoked: {what}{beside}", markup=False)


def revocation_of(target: str) -> Revocation:
    """Return the revocation that a URL or ``module:store`` names."""
    found = _store(target) if "://" in target else load(target)
    if isinstance(found, Revocation):
        return found
    if not all(callable(getattr(found, name, None)) for name in ("put", "since", "purge")):
        raise typer.BadParameter(
            f"{target} is a {type(found).__name__}, neither a Revocation nor a store of cut-offs"
        )
    return Revocation(found)


def _store(url: str) -> CutOffs:
    scheme = url.partition("://")[0]
    if scheme not in _REDIS:
        return SQLCutOffs(_engine(url))
    try:
        from redis import Redis
    except ImportError as error:
        raise typer.BadParameter("redis:// needs redis-py: pip install 'tenantguard[redis]'") from error
    return RedisCutOffs(Redis.from_url(url.replace("valkey", "redis", 1), socket_timeout=_SECONDS))


def _engine(url: str) -> Any:
    try:
        if make_url(url).get_dialect().is_async:
            return create_async_engine(url, poolclass=NullPool)  # nothing outlives its event loop
        return create_engine(url, poolclass=NullPool)
    except (ArgumentError, ImportError) as error:
        raise typer.BadParameter(f"the store at this URL cannot be reached: {error}") from error
