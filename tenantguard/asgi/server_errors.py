"""An error response that is withheld until its cause is known.

Starlette's outermost layer responds to every exception with 500, or by the application's own handler, and then raises
it again. A middleware around the application itself would learn of a violation only after that response was sent.
"""

from __future__ import annotations

import sys

from tenantguard.asgi.layers import Layers, inner_of, is_router
from tenantguard.asgi.responses import refusal_in
from tenantguard.asgi.types import App, Message, Send

_FAILED = 500
_APPLICATIONS = (
    "build_middleware_stack",
    "asgi_handler",
)  # Starlette's, and Litestar's, which may have mounted one
_MOST = 256 * 1024  # bytes of a body that is withheld; a debug page with its traceback fits


class Withheld:
    """A ``send`` that withholds a complete response if its status is 500 or a refusal is being handled.

    Args:
        send: the ``send`` for everything else.

    Attributes:
        messages: the withheld messages.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.messages: list[Message] = []
        self._kept = 0

    async def __call__(self, message: Message) -> None:
        """Withhold such a response, which layers may have split into pieces; pass on everything else."""
        if self.messages:
            self._kept += len(message.get("body", b""))
        elif message["type"] == "http.response.start" and (
            message["status"] == _FAILED or _answers_a_refusal()
        ):
            self._kept = 0
        else:
            await self._send(message)
            return
        self.messages.append(message)
        if self._kept > _MOST:
            await self.release()

    async def release(self) -> None:
        """Send the withheld messages."""
        kept, self.messages = self.messages, []
        for message in kept:
            await self._send(message)


def _answers_a_refusal() -> bool:
    """Return whether the running code handles a refusal in an ``except`` block."""
    error = sys.exception()
    return error is not None and refusal_in(error) is not None


def answers_errors(app: App) -> bool:
    """Return whether an application may respond to errors with 500 and raise them again, like Starlette and FastAPI.

    The application may be inside other middleware, mounted in a router or in Litestar, or hidden in a function or a
    class that chooses among applications.
    """
    return any(
        any(hasattr(layer, name) for name in _APPLICATIONS) or not (is_router(layer) or inner_of(layer))
        for layer in Layers(app).everywhere()
    )
