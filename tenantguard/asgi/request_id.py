"""The request's id, as the client or a proxy sent it, so that the events of one request can be told together."""

from __future__ import annotations

import re
from contextlib import suppress

from tenantguard.asgi.types import Scope
from tenantguard.context import request_id, reset_request, set_request_id

HEADER = b"x-request-id"
_SOUND = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")  # it goes into logs
_NOTED = "tenantguard.request_id"


def note(scope: Scope, value: bytes) -> None:
    """Keep the id for the time of the request, unless somebody before us has set one."""
    if request_id() is None and _SOUND.fullmatch(value):
        scope[_NOTED] = set_request_id(value.decode())


def note_from_headers(scope: Scope) -> None:
    """Look for the header where nobody has looked yet."""
    for name, value in scope["headers"]:
        if name == HEADER:
            note(scope, value)


def forget(scope: Scope) -> None:
    """Undo ``note``."""
    token = scope.pop(_NOTED, None)
    if token is not None:
        with suppress(ValueError):  # a request that was dropped ends in somebody else's context
            reset_request(token)
