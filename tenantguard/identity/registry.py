"""The registry: whether a company exists and is active, cached for a short time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from tenantguard.errors import ConfigurationError, TenantId
from tenantguard.identity.flights import Flights

IsActive = Callable[[TenantId], Awaitable[bool]]


class Registry:
    """A cached look-up of the companies that are known and active.

    Args:
        is_active: an async function; false for a company that is suspended, closed or unknown.
        delay: the number of seconds for which an answer is cached, and thus how late a suspension can take effect.
        entries: the maximum number of cached answers.
        clock: a monotonic clock; for tests.

    Raises:
        ConfigurationError: the delay or the number is not positive.

    Example:
        >>> import asyncio
        >>> async def is_active(tenant):
        ...     return tenant == "acme"
        >>> asyncio.run(Registry(is_active).admits("globex"))
        False
    """

    def __init__(
        self,
        is_active: IsActive,
        *,
        delay: float = 30.0,
        entries: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if delay < 0 or entries < 1:
            raise ConfigurationError(
                "a Registry needs a delay of at least 0 seconds and room for at least 1 entry"
            )
        self._is_active = is_active
        self._delay, self._entries, self._clock = delay, entries, clock
        self._known: dict[TenantId, tuple[bool, float]] = {}
        self._asking = Flights[bool]()

    def recall(self, tenant: TenantId) -> bool | None:
        """Return the cached answer, or ``None`` if there is none."""
        known = self._known.get(tenant)
        return known[0] if known is not None and self._clock() < known[1] else None

    async def admits(self, tenant: TenantId) -> bool:
        """Return whether the company is known and active; errors of the function are passed on.

        Concurrent calls for the same company share one call of the function.
        """
        known = self.recall(tenant)
        return await self._asking.join(tenant, lambda: self._ask(tenant)) if known is None else known

    async def _ask(self, tenant: TenantId) -> bool:
        asked = self._clock()
        answer = await self._is_active(tenant) is True
        if len(self._known) >= self._entries:
            self._known.clear()  # made-up companies must not fill the memory; real ones are asked for again
        self._known[tenant] = (answer, asked + self._delay)
        return answer
