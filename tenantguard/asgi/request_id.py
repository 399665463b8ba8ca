"""The request's id, as the client or a proxy sent it, so that the events of one request can be told together."""

from __future__ import annotations

import re

from tenantguard.asgi.types import Scope
from tenantguard.context import request_id, set_request_id

HEADER = b"x-request-id"
_SOUND = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")  # it goes into logs
_NOTED = "tenantguard.request_id"


def note(scope: Scope, value: bytes) -> None:
    """Keep the id for the time of the request, unless somebody before us has set one."""
    if request_id() is None and _SOUND.fullmatch(value):
        set_request_id(value.decode())
        scope[_NOTED] = True


def note_from_headers(scope: Scope) -> None:
    """Look for the header where nobody has looked yet."""
    for name, value in scope["headers"]:
        if name == HEADER:
            note(scope, value)


def forget(scope: Scope) -> None:
    """Undo :func:`note`."""
    if request_id() is not None and scope.pop(_NOTED, False):
        set_request_id(None)
