"""An answer of 500 that is withheld until it is known what it stands for.

Starlette's outermost layer answers whatever is raised with 500, and raises it again. Wrapped around the application
itself, the middleware would hear of a violation when that answer is on its way.
"""

from __future__ import annotations

import inspect

from tenantguard.asgi.layers import Layers
from tenantguard.asgi.types import App, Message, Send

_FAILED = 500
_SHORT = 1024  # bytes of a body; Starlette's has 21


class Withheld:
    """The ``send`` of a server that keeps a whole answer of 500 back.

    Args:
        send: the server's.

    Attributes:
        outer: the same.
    """

    def __init__(self, send: Send) -> None:
        self.outer = send
        self.messages: list[Message] = []
        self._kept = 0

    async def __call__(self, message: Message) -> None:
        """Keep such an answer while it is short, as layers in between may cut it in pieces; hand on everything else."""
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
        """Hand on what was kept."""
        kept, self.messages = self.messages, []
        for message in kept:
            await self.outer(message)


def answers_errors(app: App) -> bool:
    """Tell whether an application answers its errors with 500 and raises them again: Starlette and FastAPI do.

    They may stand inside of other middleware, or behind a function that chooses among applications, which shows none.
    """
    layers = list(Layers(app).all())
    return inspect.isroutine(layers[-1]) or any(hasattr(layer, "build_middleware_stack") for layer in layers)
