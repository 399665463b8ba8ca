"""The request's id from the client or a proxy, which links the events of one request."""

from __future__ import annotations

import re
from contextlib import suppress

from tenantguard.asgi.types import Scope
from tenantguard.context import request_id, reset_request, set_request_id

HEADER = b"x-request-id"
_SOUND = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")  # it goes into logs
_NOTED = "tenantguard.request_id"


def note(scope: Scope, value: bytes) -> None:
    """Set the id for the duration of the request, unless one is already set."""
    if request_id() is None and _SOUND.fullmatch(value):
        scope[_NOTED] = set_request_id(value.decode())


def note_from_headers(scope: Scope) -> None:
    """Read the id from the headers, unless that was already done."""
    for name, value in scope["headers"]:
        if name == HEADER:
            note(scope, value)


def forget(scope: Scope) -> None:
    """Undo ``note``."""
    token = scope.pop(_NOTED, None)
    if token is not None:
        with suppress(ValueError):  # a request that was dropped ends in somebody else's context
            reset_request(token)
