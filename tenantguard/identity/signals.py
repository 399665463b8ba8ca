"""Signals: events that an identity provider sends after it has issued a token, turned into cut-offs.

Back-channel logout (OpenID Connect Back-Channel Logout 1.0), and the events of the Shared Signals Framework (CAEP and
RISC) as security event tokens (RFC 8417).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenantguard.audit import Event, record
from tenantguard.audit.events import now as utc
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity.claims import is_number
from tenantguard.identity.cutoffs import Kind
from tenantguard.identity.http import Http
from tenantguard.identity.revocation import Revocation
from tenantguard.identity.verifier import TokenVerifier

_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
_ENDING = frozenset(
    {f"{_CAEP}{name}" for name in ("session-revoked", "credential-change", "token-claims-change")}
    | {
        f"{_RISC}{name}"
        for name in (
            "account-credential-change-required", "account-disabled", "account-purged", "credential-compromise",
            "sessions-revoked",
        )
    }
)  # fmt: skip
_ASSURANCE = f"{_CAEP}assurance-level-change"
_VERIFICATION, _STREAM = f"{_SSF}verification", f"{_SSF}stream-updated"
# Where a subject is complex (SSF 1.0 section 4), each member says what its identifier is of.
_MEMBERS: Mapping[str, Kind] = {"session": "session", "user": "subject", "tenant": "tenant"}

# Error codes of RFC 8935 section 2.4, for the reasons that have one.
_CODES: Mapping[str, str] = {
    "audience": "invalid_audience",
    "issuer": "invalid_issuer",
    "signature": "invalid_key",
    "algorithm": "invalid_key",
}

Identifier = Mapping[str, Any]
Resolve = Callable[[Identifier], str | None]


@dataclass(frozen=True)
class _Named:
    """The ids that a signal names; an unknown part of its subject has no value."""

    kind: Kind
    value: str
    issuer: str


class Signals:
    """A receiver of logout tokens and security events that revokes what they name.

    Tokens issued after the event stay valid, so a late signal ends no new session. Everything that a signal names is
    revoked, its subject as well as its session, because many access tokens do not name their session.

    Args:
        verifier: a ``TokenVerifier`` for the transmitter, with its ``issuer``, this receiver's
            ``audience``, and the ``typ`` of its tokens: ``"logout+jwt"`` or ``"secevent+jwt"``.
        revocation: the ``Revocation`` of the access tokens' verifiers.
        speaks_for: further issuers of access tokens for which the transmitter is trusted.
        sessions_only: if a logout names a session, keep the subject's other sessions.
        resolve: maps a subject identifier without a ``sub`` (RFC 9493: an e-mail address, a phone number) to the
            subject, or to ``None`` if it is unknown.

    Attributes:
        verified: the ``state`` of the last verification event, which shows that the stream works.
        stream: the last status of the stream, such as ``"paused"``; empty at first.

    Raises:
        ConfigurationError: the verifier names no issuer or no audience, so anybody's signals would be accepted.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        revocation: Revocation,
        *,
        speaks_for: Collection[str] = (),
        sessions_only: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        if not verifier.issuers or not verifier.audiences:
            raise ConfigurationError(
                "a verifier of signals needs issuer= and audience=; otherwise anybody's signals would be accepted"
            )
        if isinstance(speaks_for, str):
            raise ConfigurationError(
                f"speaks_for={speaks_for!r} is one string; give a list: [{speaks_for!r}]"
            )
        self._verifier, self._revocation = verifier, revocation
        self._speaks_for = frozenset(speaks_for)
        self._sessions_only, self._resolve = sessions_only, resolve
        self.verified: str | None = None
        self.stream = ""

    async def logout(self, token: str) -> None:
        """Process a logout token.

        Raises:
            TokenError: it is refused; see section 2.6 of OpenID Connect Back-Channel Logout 1.0.
        """
        claims = await self._verifier.claims(token, must_expire=False)
        if not isinstance(_events(claims).get(_LOGOUT), dict) or "nonce" in claims:
            raise _refused("the token is not a logout token")
        subject, session = (_text(claims, name) for name in ("sub", "sid"))
        if subject is None and session is None:
            raise _refused("the logout token names neither a subject nor a session")
        named = [] if session is None else [_Named("session", session, claims["iss"])]
        if subject is not None and (session is None or not self._sessions_only):
            named.append(_Named("subject", subject, claims["iss"]))
        await self._take(claims, named)

    async def event(self, token: str) -> str:
        """Process a security event token, and return its id (``jti``) for the acknowledgement.

        Raises:
            TokenError: it is refused, or its subject is unknown.
        """
        claims = await self._verifier.claims(token, must_expire=False)
        if (
            "exp" in claims or "sub" in claims
        ):  # RFC 8417 section 4.6: nobody shall take it for an access token
            raise _refused("a security event token has neither exp nor sub")
        named: list[_Named] = []
        for kind, content in _events(claims).items():
            if not isinstance(content, dict):
                raise _refused("the content of an event is not an object")
            if kind in _ENDING or (kind == _ASSURANCE and content.get("change_direction") != "increase"):
                named += self._subjects(claims, content)
            elif kind == _VERIFICATION:
                self.verified = _text(content, "state")
            elif kind == _STREAM:
                self._note_stream(content)
        await self._take(claims, [one for one in named if one.value])
        if not all(one.value for one in named):
            raise _refused("a part of the event's subject is not known here; what is known was revoked")
        return str(claims["jti"])

    async def _take(self, claims: Mapping[str, Any], named: list[_Named]) -> None:
        """Revoke what the signal names, as of the event's time, so that a repeated signal changes nothing."""
        moment = _moment(claims)
        if _text(claims, "jti") is None:
            raise _refused("the token has no id (jti)")
        for one in named:
            given: dict[str, Any] = {one.kind: one.value}
            try:
                await self._revocation.revoke(**given, issuer=one.issuer, at=moment)
            except TokenError:
                raise
            except ConfigurationError as error:  # a time or an id that no cut-off can have
                raise _refused(f"the signal cannot be acted upon: {error}") from error
            except Exception as error:  # whatever the store's driver raises: the signal has to come again
                raise IssuerUnavailableError(
                    "the store of revocations did not take a signal", reason="revocation_lost"
                ) from error

    def _subjects(self, claims: Mapping[str, Any], content: Mapping[str, Any]) -> list[_Named]:
        """Return the subjects of an event, or refuse an event without a known subject."""
        identifier = claims.get("sub_id", content.get("subject"))
        named = list(self._named(claims, identifier, "subject"))
        if not any(one.value for one in named):
            raise _refused("the event is about a subject that is not known here")
        return named

    def _named(self, claims: Mapping[str, Any], identifier: object, kind: Kind) -> Iterator[_Named]:
        if not isinstance(identifier, dict):
            return
        form = identifier.get("format")
        if form == "complex" or (form is None and not _MEMBERS.keys().isdisjoint(identifier)):
            for name in self._narrowest(identifier):
                found = list(self._named(claims, identifier[name], _MEMBERS[name]))
                yield from found or [_Named(_MEMBERS[name], "", "")]
        elif form == "aliases" and isinstance(identifier.get("identifiers"), list):
            for one in identifier["identifiers"]:
                yield from self._named(claims, one, kind)
        else:
            value, issuer = self._read(claims, identifier, form)
            if value is not None:
                yield _Named(kind, value, issuer)

    def _narrowest(self, identifier: Identifier) -> list[str]:
        """Return the members of a complex subject to revoke; together they identify the subject."""
        if "session" in identifier and self._sessions_only:
            return ["session"]
        within = [name for name in ("session", "user") if name in identifier]
        return within or [name for name in _MEMBERS if name in identifier]

    def _read(
        self, claims: Mapping[str, Any], identifier: Identifier, form: object
    ) -> tuple[str | None, str]:
        """Return the id in a simple identifier, and its kind."""
        own: str = claims["iss"]
        if form == "iss_sub":
            issuer, subject = _text(identifier, "iss"), _text(identifier, "sub")
            if issuer is None or issuer not in self._speaks_for | {own}:
                raise _refused("the event is about a subject of an issuer that its sender may not speak for")
            return subject, issuer
        if form == "opaque":
            return _text(identifier, "id"), own
        return (None if self._resolve is None else self._resolve(identifier)), own

    def _note_stream(self, content: Mapping[str, Any]) -> None:
        """Record the stream's status, so that the receiver knows when no more events arrive."""
        self.stream = _text(content, "status") or "unknown"
        if self.stream != "enabled":
            record(
                Event(
                    time=utc(), kind="signals_stopped", reason=self.stream, message=_text(content, "reason")
                )
            )


def _events(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    events = claims.get("events")
    if not isinstance(events, dict) or not events:
        raise _refused("the token has no events")
    if not isinstance(claims.get("iss"), str):
        raise _refused("the token names no issuer")
    return events


def _moment(claims: Mapping[str, Any]) -> float:
    """Return the time of the event (``toe``), or of the token."""
    happened, issued = claims.get("toe"), claims.get("iat")
    if not is_number(issued):
        raise _refused("the token does not say when it was issued")
    # an event is not later than the token that tells of it
    return min(happened, issued) if is_number(happened) else issued


def _text(held: Mapping[str, Any], name: str) -> str | None:
    value = held.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _refused(message: str) -> TokenError:
    return TokenError(message, reason="signal")


def error_code(error: TokenError) -> str:
    """Return the error code that tells a transmitter why its event was refused (RFC 8935 section 2.4)."""
    return _CODES.get(error.reason, "invalid_request")


async def poll(signals: Signals, url: str, *, token: str, http: Http | None = None, most: int = 100) -> int:
    """Fetch the waiting security events of a transmitter (RFC 8936), and return how many were accepted.

    Each is acknowledged, or refused with its reason, before the next request. Call it in your own loop.

    Args:
        signals: the receiver of the events.
        url: the polling endpoint of the stream.
        token: this receiver's bearer token for the transmitter.
        http: the HTTP client.
        most: the maximum number of events per response.

    Raises:
        FetchError: the transmitter does not respond correctly.
        IssuerUnavailableError: the keys or the store are unavailable; the events are fetched again next time.
    """
    http = Http() if http is None else http
    taken, acknowledged, refused = 0, list[str](), dict[str, dict[str, str]]()
    while True:
        asked = {"maxEvents": most, "returnImmediately": True, "ack": acknowledged, "setErrs": refused}
        waiting = (await http.post_object(url, asked, token)).content.get("sets")
        acknowledged, refused = [], {}
        for name, event in (waiting if isinstance(waiting, dict) else {}).items():
            try:
                await signals.event(event)
            except IssuerUnavailableError:
                raise
            except TokenError as error:
                refused[name] = {"err": error_code(error), "description": error.description or str(error)}
                _note(error)
            else:
                acknowledged.append(name)
        if not acknowledged and not refused:
            return taken
        taken += len(acknowledged)


def _note(error: TokenError) -> None:
    record(Event(time=utc(), kind="token_refused", reason=error.reason, message=str(error)))
