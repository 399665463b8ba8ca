"""Users for Locust that check every answer for another tenant's data while they load.

A load test is then an isolation test too. Importing this module imports Locust, which patches the standard
library for gevent; import it in a locustfile and nowhere else.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any, ClassVar

from tenantguard.errors import ConfigurationError, TenantId

try:
    from locust.contrib.fasthttp import FastHttpSession, FastHttpUser
except ImportError as error:
    raise ConfigurationError(
        "tenantguard.testing.locust needs Locust; install tenantguard[locust]"
    ) from error

LEAK = "LEAK"  # the request type under which Locust's own statistics count leaks, on every worker


class LeakError(Exception):
    """A leak: one tenant's data in another's answer, shown in Locust's table of failures."""


class TenantUser(FastHttpUser):
    """A user of one tenant who loads an application and checks every answer.

    A leak is counted as a failed request of the type ``LEAK``: it appears in Locust's tables and files,
    adds up over workers, and makes Locust exit with 1.

    Attributes:
        marks: a pattern that finds tenant ids in answers; its first group is the id. Give each tenant's
            rows such a mark: names like ``"Ada (acme)"`` with the pattern ``r"\\((\\w+)\\)"``.
        fields: JSON fields that hold a tenant id, at any depth.
        tenant: who this user acts for.
        token: what it sends as ``Authorization: Bearer``; nothing is sent where it is empty.

    Example:
        A locustfile::

            class Agent(TenantUser):
                marks = r"\\((\\w+)\\)"

                def identify(self):
                    return "acme", sign("ada", "acme")

                @task
                def calls(self):
                    self.client.get("/calls")
    """

    abstract = True
    marks: ClassVar[str] = ""
    fields: ClassVar[tuple[str, ...]] = ("company_id", "tenant_id")

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.tenant, self.token = self.identify()
        self._marks = re.compile(self.marks) if self.marks else None
        self.client.__class__ = _CheckedSession

    def identify(self) -> tuple[TenantId, str]:
        """Return the tenant and the token of this user.

        Raises:
            ConfigurationError: the class does not say.
        """
        raise ConfigurationError(f"{type(self).__name__} needs identify(), which returns tenant and token")

    def foreign(self, response: Any, text: str) -> Iterable[str]:
        """Yield what is in an answer and belongs to another tenant; extend it with what you know of yours."""
        own = str(self.tenant)
        if self._marks is not None:
            yield from {found for found in self._marks.findall(text) if found != own}
        if any(f'"{name}"' in text for name in self.fields):
            yield from {str(value) for value in _values(text, self.fields) if str(value) != own}

    def check(self, response: Any, method: str, name: str) -> None:
        """Count a leak for each other tenant whose data is in the answer."""
        for other in self.foreign(response, response.text or ""):
            self.leaked(f"{self.tenant} was given data of {other}", method, name)

    def leaked(self, what: str, method: str, name: str) -> None:
        """Count a leak."""
        self.environment.events.request.fire(
            request_type=LEAK,
            name=f"{method} {name}",
            response_time=0,
            response_length=0,
            response=None,
            context=self.context(),
            exception=LeakError(what),
            start_time=time.time(),
            url=name,
        )


class HostileUser(TenantUser):
    """A user of one tenant who tries what must not succeed."""

    abstract = True

    def attempt(self, method: str, url: str, *, name: str, token: str | None = None, **kw: Any) -> None:
        """Send a request that must be refused: an answer below 400 is a leak, one above 499 a failure.

        Args:
            method: of HTTP.
            url: what is asked for.
            name: how Locust groups it.
            token: another token than the user's own; ``""`` sends none.
            **kw: what ``client.request`` takes.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}" if token else ""}
        with self.client.request(
            method, url, name=name, headers=headers, catch_response=True, **kw
        ) as response:
            if 400 <= response.status_code < 500:
                response.success()
            elif 0 < response.status_code < 400:
                response.failure("the attempt succeeded")
                self.leaked(f"{self.tenant} succeeded", method, name)


class _CheckedSession(FastHttpSession):
    """A session that sends the user's token and has each answer checked."""

    user: TenantUser

    def request(self, method: str, url: str, name: str | None = None, data: Any = None, **kw: Any) -> Any:  # type: ignore[override]  # the rest is passed on by name
        """Send a request and check its answer; a stream is checked as it is read."""
        user = self.user
        headers = dict(kw.pop("headers", None) or {})
        if user.token:
            headers.setdefault("Authorization", f"Bearer {user.token}")
        headers = {key: value for key, value in headers.items() if value}
        response = super().request(method, url, name, data, headers=headers, **kw)
        if not kw.get("stream"):
            user.check(response, method, name or url)
        return response

    def iter_lines(self, url: str, method: str = "GET", **kw: Any) -> Generator[str]:
        """Yield the lines of a streamed answer, each one checked."""
        user = self.user
        for line in super().iter_lines(url, method, **kw):
            for other in user.foreign(None, line):
                user.leaked(f"{user.tenant} was given data of {other}", method, kw.get("name") or url)
            yield line


def tampered(token: str, **claims: Any) -> str:
    """Return the token with other claims and the signature that it had: no verifier may accept it."""
    head, body, signature = token.split(".")
    return f"{head}.{_encode({**_decode(body), **claims})}.{signature}"


def unsigned(token: str, **claims: Any) -> str:
    """Return the token with other claims, declared to need no signature."""
    head, body, _ = token.split(".")
    return f"{_encode({**_decode(head), 'alg': 'none'})}.{_encode({**_decode(body), **claims})}."


def _decode(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def _encode(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _values(text: str, fields: tuple[str, ...]) -> Iterator[object]:
    """Yield what the named fields of a JSON text hold, at any depth."""
    try:
        waiting: list[Any] = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from (item[name] for name in fields if item.get(name) is not None)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
