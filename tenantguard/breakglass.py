"""Break glass: an emergency bypass by a named person, for a limited time, approved by a second person or a sign-in."""

from __future__ import annotations

import sys
import threading
from typing import Any

from tenantguard.audit import Event, record, refuse
from tenantguard.audit.events import now
from tenantguard.authority import Requirement, approved
from tenantguard.binding import put_mode
from tenantguard.context import Binding, Principal, bypass, current, request_id
from tenantguard.errors import ConfigurationError, PermissionDeniedError

_LONGEST = 8 * 3600.0


class break_glass:  # used like a function
    """Lift the guard in an emergency, and record it with an alarm before anything is read.

    When the time is over, the guard applies again, even to code that is still running. The events
    ``break_glass_opened`` and ``break_glass_closed`` are logged as CRITICAL.

    Args:
        reason: the reason, for the record.
        seconds: the maximum duration.
        approver: a second person who approves, verified by the application; never the principal.
        requirement: what the principal has to meet, such as ``requires("ops", mfa=True, max_age=300)``; without an
            approver, it must include how they signed in.
        approves: what the approver has to meet, such as ``requires("ops:approve")``.

    Raises:
        ConfigurationError: the time is out of range, or neither a second person nor a sign-in is required.
        PermissionDeniedError: no principal is bound, or the approver is the same person.
        StepUpError: the user has to sign in again, or with a stronger method.

    Example:
        >>> from tenantguard import Principal, bind, break_glass
        >>> with bind(Principal("ada", "acme")), break_glass(
        ...     reason="restore of incident 42", seconds=900, approver=Principal("bob", "acme")
        ... ) as binding:
        ...     binding.bypassed
        True
    """

    def __init__(
        self,
        *,
        reason: str,
        seconds: float,
        approver: Principal | None = None,
        requirement: Requirement | None = None,
        approves: Requirement | None = None,
    ) -> None:
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not 0 < seconds <= _LONGEST:
            raise ConfigurationError(f"break_glass(seconds={seconds!r}): up to {_LONGEST:.0f} seconds")
        steps_up = requirement is not None and (
            requirement.mfa or requirement.acr or requirement.max_age is not None
        )
        if approver is None and not steps_up:
            raise ConfigurationError(
                "break_glass() needs a second person (approver=...) or a verified sign-in "
                "(requirement=requires(mfa=True, max_age=300))"
            )
        frame = sys._getframe(1)
        self._caller = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self._reason, self._seconds = reason, seconds
        self._approver, self._requirement, self._approves = approver, requirement, approves
        self._bypass: bypass | None = None
        self._timer: threading.Timer | None = None
        self._who: Principal | None = None

    def __enter__(self) -> Binding:
        self._who = who = self._checked(current().principal)
        lifted = bypass(reason=self._reason)
        lifted._caller = self._caller
        token = approved.set(True)
        try:
            binding = lifted.__enter__()
        finally:
            approved.reset(token)
        try:
            self._record(who, kind="break_glass_opened")
        except BaseException as error:  # nobody would hear of it
            lifted.__exit__(type(error), error, None)
            raise
        self._bypass = lifted
        self._timer = threading.Timer(self._seconds, put_mode, (binding, "closed"))
        self._timer.daemon = True
        self._timer.start()
        return binding

    def __exit__(self, *exc: Any) -> None:
        lifted, self._bypass = self._bypass, None
        if lifted is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        lifted.__exit__(*exc)
        self._record(self._who, kind="break_glass_closed")

    def _checked(self, who: Principal | None) -> Principal:
        if who is None:
            refuse(PermissionDeniedError("no principal is bound, so nobody can break the glass"))
        if self._requirement is not None:
            self._requirement.check_of(who)
        if self._approver is not None:
            people = {who.subject, *([who.actor.subject] if who.actor is not None else [])}
            if self._approver.subject in people or self._approver.actor is not None:
                refuse(
                    PermissionDeniedError(
                        f"{self._approver.subject} cannot approve their own action, nor while acting for somebody else"
                    )
                )
            if self._approves is not None:
                self._approves.check_of(self._approver)
        return who

    def _record(self, who: Principal | None, *, kind: str) -> None:
        beside = "" if self._approver is None else f"; approved by {self._approver.subject}"
        record(
            Event(
                time=now(),
                kind=kind,
                subject=None if who is None else who.subject,
                actor=None if who is None or who.actor is None else who.actor.subject,
                tenant=None if who is None or who.tenant is None else str(who.tenant),
                request_id=request_id(),
                reason=self._reason,
                message=f"for {self._seconds:.0f} seconds{beside}",
            )
        )
