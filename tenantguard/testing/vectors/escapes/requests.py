"""What outlasts a request: a stream that ends late, a key that signs for others, a sink that reads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy import select

from tenantguard.audit import Event, add_sink, remove_sink
from tenantguard.context import Principal, begin, bind, bypass, end
from tenantguard.errors import TenantGuardError, TokenError
from tenantguard.identity import TokenVerifier
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack

_KEYS = {"https://one.example": "k" * 32, "https://two.example": "j" * 32}


def _request_of_victim(lab: Lab, work: Any) -> contextvars.Context:
    """Serve the victim; return what a task that it started holds of its context, once the request is over."""

    def serve() -> contextvars.Context:
        binding = begin(Principal("victim", lab.b))
        work()
        copied = contextvars.copy_context()
        end(binding)
        return copied

    return contextvars.copy_context().run(serve)


@attack("context", bound=False)
def stream_closed_after_its_request(lab: Lab) -> Any:
    """Let a body of the victim's read in its ``finally``, when the request is over."""
    found: list[Any] = []

    def body() -> Iterator[bytes]:
        try:
            yield b""
        finally:
            with contextlib.suppress(TenantGuardError):
                found.extend(lab.rows(select(lab.owned.table)))

    stream = body()
    copied = _request_of_victim(lab, lambda: next(stream))
    copied.run(stream.close)  # type: ignore[attr-defined]  # a generator
    return found


@attack("context", bound=False)
def callback_after_its_request(lab: Lab) -> Any:
    """Read in a callback that the victim's request started, when the request is over."""
    return _request_of_victim(lab, lambda: None).run(lab.rows, select(lab.owned.table))


def _token(lab: Lab, issuer: str, key: str) -> str:
    """Return a token for the victim that names one issuer and is signed by the key of another."""
    company = str(lab.b) if isinstance(lab.b, UUID) else lab.b
    claims = {"sub": "mallory", "company_id": company, "iss": issuer, "aud": "api", "exp": time.time() + 60}
    return jwt.encode(claims, key, "HS256")


def _read_by(lab: Lab, token: str) -> Any:
    """Read as whoever a token speaks for; go on as a program would that swallows the refusal."""
    company_of = dict(zip(_KEYS, (lab.a, lab.b), strict=True))
    kind: Any = type(lab.a)
    verifier = TokenVerifier.any_of(
        *(
            TokenVerifier(
                key=key,
                algorithms=["HS256"],
                audience="api",
                issuer=issuer,
                tenant_claim="company_id",
                tenant_type=kind,
                speaks_for=[company_of[issuer]],
            )
            for issuer, key in _KEYS.items()
        )
    )
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(TokenError):
            stack.enter_context(bind(contextvars.Context().run(asyncio.run, verifier.verify(token))))
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def key_of_another_issuer(lab: Lab) -> Any:
    """Show a token of the victim's issuer that another issuer's key has signed."""
    lab.synchronous()
    one, two = _KEYS
    return _read_by(lab, _token(lab, two, _KEYS[one]))


@attack("context", bound=False)
def issuer_of_another_company(lab: Lab) -> Any:
    """Show a token for the victim from an issuer that speaks for the attacker alone."""
    lab.synchronous()
    one, _ = _KEYS
    return _read_by(lab, _token(lab, one, _KEYS[one]))


class _Reading:
    """A sink that reads while it records."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.found: list[Any] = []

    def __call__(self, event: Event, /) -> None:
        """Read a table of the application's."""
        with contextlib.suppress(TenantGuardError):
            self.found.extend(self._lab.rows(select(self._lab.owned.table)))


@attack("context")
def sink_of_an_ending_bypass(lab: Lab) -> Any:
    """Read in a sink that hears of the end of a bypass."""
    sink = _Reading(lab)
    with contextlib.ExitStack() as stack:
        stack.callback(remove_sink, sink)
        stack.enter_context(bypass(reason="attack kit: a nightly job"))
        add_sink(sink)
    return sink.found


@attack("context")
def sink_of_a_beginning_bypass(lab: Lab) -> Any:
    """Read in a sink that hears of a bypass before it is in force."""
    sink = _Reading(lab)
    add_sink(sink)
    try:
        with bypass(reason="attack kit: a nightly job"):
            return sink.found
    finally:
        remove_sink(sink)
