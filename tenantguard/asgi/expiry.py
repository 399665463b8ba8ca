"""The end of a token during its connection, by expiry or revocation."""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable
from typing import Any

from tenantguard.asgi.admission import Admission
from tenantguard.asgi.outside import Exchange
from tenantguard.asgi.refusal_events import note_refused
from tenantguard.asgi.types import Scope
from tenantguard.asgi.watch import Running, Sleep, Watch
from tenantguard.binding import Binding, put_mode
from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError, Violation

_LONGEST_SLEEP = 3600.0  # a clock that is set, or a machine that slept, is noticed after this many seconds
_AT_LEAST = 1.0  # seconds after which an answer that has outlived its token is looked at again
Clock = Callable[[], float]


class Ending:
    """How connections end with their token; the arguments are those of ``TenantMiddleware``."""

    def __init__(
        self,
        admission: Admission,
        *,
        recheck: float | None,
        finish: bool,
        clock: Clock,
        sleep: Sleep | None,
    ) -> None:
        if recheck is not None and recheck < 0:
            raise ConfigurationError("websocket_recheck= must be a number of seconds, or 0 for never")
        self._admission, self._finish = admission, finish
        self._recheck, self._clock, self._sleep = recheck, clock, sleep

    def comes_to(self, principal: Principal) -> bool:
        """Return whether anything could end the token."""
        return self.recheck > 0 or self._admission.ends(principal) is not None

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token is verified again; few if it can be revoked."""
        return self._admission.recheck if self._recheck is None else self._recheck

    def watch(
        self,
        exchange: Exchange,
        principal: Principal,
        value: bytes | None,
        scope: Scope,
        runs: Task[Any] | Running,
        binding: Binding | None,
    ) -> None:
        """Cut a long response when its token ends.

        Args:
            exchange: the exchange of the response.
            principal: the principal.
            value: the connection's ``Authorization``.
            scope: the original scope of the connection.
            runs: the task that serves it, or its handler on trio.
            binding: its binding, if there is one.
        """
        if not self.comes_to(principal):
            return

        async def over(sleep: Sleep) -> bool:
            exchange.over = await self.of(
                scope,
                principal,
                value,
                sleep,
                outlives=lambda: self._finish or not exchange.begun,  # what was asked in time is answered
                is_done=lambda: exchange.is_complete,  # and only the framework's background tasks go on
            )
            return exchange.over is not None

        async def late() -> None:
            if binding is not None:
                put_mode(binding, "closed")  # the handler goes on, and does so for nobody

        exchange.watch = Watch(over, late, runs if isinstance(runs, Running) else Running(runs))
        exchange.watch.start()

    async def of(
        self,
        scope: Scope,
        principal: Principal,
        value: bytes | None,
        sleep: Sleep,
        *,
        outlives: Callable[[], bool] = lambda: False,
        is_done: Callable[[], bool] = lambda: False,
    ) -> TokenError | Violation | None:
        """Wait for the end of a token, and return the reason.

        Args:
            scope: the connection.
            principal: its principal.
            value: its ``Authorization``.
            sleep: the event loop's ``sleep``.
            outlives: returns whether the connection may outlive its token's expiry; a revocation still ends it.
            is_done: returns whether there is nothing left to end.
        """
        sleep = self._sleep or sleep
        until = self._admission.ends(principal)
        while until is None or until > self._clock() or outlives():
            await sleep(self._seconds(until))
            expired = until is not None and until <= self._clock()
            if is_done():
                return None
            if expired and not outlives():
                break
            error = await self._ended(scope, principal, value, expired=expired)
            if error is not None:
                note_refused(error, scope, value)
                return error
        return TokenError("the token has expired", reason="expired")

    def _seconds(self, until: float | None) -> float:
        left = _LONGEST_SLEEP if until is None else min(until - self._clock(), _LONGEST_SLEEP)
        if left <= 0:
            return self.recheck or _AT_LEAST
        return min(left, self.recheck or left)

    async def _ended(
        self, scope: Scope, principal: Principal, value: bytes | None, *, expired: bool
    ) -> TokenError | Violation | None:
        if not self.recheck:
            return None
        if expired:
            return await self._admission.revoked(scope, principal)
        return await self._admission.ended(scope, value, principal)
