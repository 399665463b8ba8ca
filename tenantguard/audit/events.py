"""The event: one frozen value per violation, refused token, or bypass opened or closed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

_MOST = 2_000  # characters of a statement that an event keeps
_READ = 20_000  # characters of a statement that are looked at
# Everything that can hold a value, in whichever dialect. Where dialects disagree on its end (a backslash
# before a quote, a quote in a comment, a comment in a comment) nothing after it is kept. MySQL writes strings
# in double quotes too, so a name in them is not kept either.
_LITERAL = re.compile(
    r"""
    (?:--|\#)[^\n'"]*(?=\n|\Z) | /\*(?:(?!/\*|\*/)[^'"])*\*/ | (?:--|\#|/\*).*
    | '(?:[^'\\]|''|\\(?!'))*' | (?P<name>"(?:[^"\\]|""|\\(?!"))*")
    | ['"].*
    | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
    | (?<![\w.])\.?\d[\w.]*
    """,
    re.DOTALL | re.VERBOSE,
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Event:
    """A record of something that was refused, or of a bypass that opened or closed.

    Attributes:
        time: when, in UTC.
        kind: the event: a violation's kind, ``"no_tenant"``, ``"token_refused"``, ``"revoked"``, ``"revocation_lost"``,
            ``"bypass_opened"``, ``"bypass_closed"``, or ``"drift"`` from tenancy.lock.
        tenant: the tenant that was bound, as text.
        attempted: the tenant that the attempt targeted, as text, if known.
        table: the table's name.
        subject: the subject of the principal.
        actor: the person who acts for the subject, if there is one.
        acting: their reason.
        request_id: the id of the request, if there is one.
        statement: the SQL with every literal masked.
        fingerprint: 16 hexadecimal digits, equal for statements of the same shape.
        reason: the reason of a bypass, why a token was refused, or whose row a refused key named (not in the error).
        place: file and line that opened the bypass.
        message: the text for the developer.
        method: the method of the request, if there is one; ``WEBSOCKET`` for a websocket.
        route: the pattern of its route, or its path.
        client: the client's address.
        issuer: the issuer that the token names, unverified.
    """

    time: datetime
    kind: str
    tenant: str | None = None
    attempted: str | None = None
    table: str | None = None
    subject: str | None = None
    actor: str | None = None
    acting: str | None = None
    request_id: str | None = None
    statement: str | None = None
    fingerprint: str | None = None
    reason: str | None = None
    place: str | None = None
    message: str | None = None
    method: str | None = None
    route: str | None = None
    client: str | None = None
    issuer: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the members that are set, with the time in ISO 8601."""
        members = {name: value for name, value in asdict(self).items() if value is not None}
        members["time"] = self.time.isoformat()
        return members


def masked(statement: str | None, *, names: bool = False) -> str | None:
    """Return the SQL on one line with every literal replaced by ``?``, so that no value is kept.

    Args:
        statement: the SQL.
        names: keep what stands in double quotes, in a dialect in which that is never a string.
    """
    if statement is None:
        return None
    found = _LITERAL.sub(lambda match: match["name"] or "?" if names else "?", statement[:_READ])
    text = _SPACE.sub(" ", found).strip()[:_MOST]
    return text.encode(errors="backslashreplace").decode()  # half of a surrogate pair would fail every sink


def fingerprint(statement: str | None, *, names: bool = False) -> str | None:
    """Return 16 hexadecimal digits that are equal for statements of the same shape."""
    text = masked(statement, names=names)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text is not None else None


def now() -> datetime:
    """Return the time of an event."""
    return datetime.now(UTC)
