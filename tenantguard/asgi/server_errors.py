"""A 500 response that is withheld until its cause is known.

Starlette's outermost layer responds to every exception with 500, and then raises it again. If the middleware wraps the
application itself, it would learn of a violation only when that response has been sent.
"""

from __future__ import annotations

import inspect

from tenantguard.asgi.layers import Layers
from tenantguard.asgi.types import App, Message, Send

_FAILED = 500
_SHORT = 1024  # bytes of a body; Starlette's has 21


class Withheld:
    """A ``send`` that withholds a complete 500 response.

    Args:
        send: the server's ``send``.

    Attributes:
        outer: the same function.
    """

    def __init__(self, send: Send) -> None:
        self.outer = send
        self.messages: list[Message] = []
        self._kept = 0

    async def __call__(self, message: Message) -> None:
        """Withhold a short 500 response, which layers may have split into pieces; pass on everything else."""
        if self.messages:
            self._kept += len(message.get("body", b""))
        elif message["type"] == "http.response.start" and message["status"] == _FAILED:
            self._kept = 0
        else:
            await self.outer(message)
            return
        self.messages.append(message)
        if self._kept > _SHORT:
            await self.release()

    async def release(self) -> None:
        """Send the withheld messages."""
        kept, self.messages = self.messages, []
        for message in kept:
            await self.outer(message)


def answers_errors(app: App) -> bool:
    """Return whether an application responds to errors with 500 and raises them again, like Starlette and FastAPI.

    The application may be inside other middleware, or hidden behind a function that chooses among applications.
    """
    layers = list(Layers(app).all())
    return inspect.isroutine(layers[-1]) or any(hasattr(layer, "build_middleware_stack") for layer in layers)
