"""An answer of 500 that is withheld until it is known what it stands for.

Starlette's outermost layer answers whatever is raised with 500, and raises it again. Wrapped around the application
itself, the middleware would hear of a violation when that answer is on its way.
"""

from __future__ import annotations

from tenantguard.asgi.types import Message, Send

_FAILED = 500


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

    async def __call__(self, message: Message) -> None:
        """Keep the beginning of such an answer, and its end where that comes at once; hand on everything else."""
        begins = message["type"] == "http.response.start" and message["status"] == _FAILED
        if begins or (len(self.messages) == 1 and not message.get("more_body", False)):
            self.messages.append(message)
        else:
            await self.release()
            await self.outer(message)

    async def release(self) -> None:
        """Hand on what was kept."""
        kept, self.messages = self.messages, []
        for message in kept:
            await self.outer(message)


def answers_errors(app: object) -> bool:
    """Tell whether an application answers its errors with 500 and raises them again: Starlette and FastAPI do."""
    return callable(getattr(app, "build_middleware_stack", None))
