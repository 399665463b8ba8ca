"""The network: the only module that uses httpx, with limits on everything a server could send."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantguard.errors import ConfigurationError
from tenantguard.identity.encoding import load_object
from tenantguard.identity.places import host_of, is_inside, is_loopback, is_near, is_safe

if TYPE_CHECKING:
    import httpx

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})")


class FetchError(Exception):
    """An error that says why a document could not be fetched."""


@dataclass(frozen=True)
class Document:
    """A fetched JSON object, and the number of seconds for which it may be kept."""

    content: dict[str, Any]
    max_age: float | None = None


class Http:
    """A client for JSON objects that follows no redirects, decompresses nothing, and limits size and time.

    Args:
        timeout: the maximum total seconds of one exchange.
        most_bytes: the maximum size of a response.
        transport: another httpx transport; for tests and special networks.
        outside: refuse addresses of this machine, its link and internal networks, whatever a name resolves to.
            A proxy from the environment resolves names itself, and is not checked.

    Raises:
        ConfigurationError: httpx is not installed.
    """

    def __init__(
        self,
        *,
        timeout: float = 5.0,
        most_bytes: int = 512 * 1024,
        transport: Any = None,
        outside: bool = False,
    ) -> None:
        try:
            import anyio  # httpx stands on it: fetches run on asyncio and on trio alike
            import httpx  # which takes a fifth of a second; who has the keys at hand needs none of it
        except ImportError as error:  # the extra "http" is not installed
            raise ConfigurationError("keys by URL need httpx: pip install 'tenantguard[http]'") from error
        self._httpx, self._fail_after, self._look_up = httpx, anyio.fail_after, anyio.getaddrinfo
        self._outside = outside
        self._timeout = timeout
        self._most_bytes = most_bytes
        self._transport = transport
        self._context = httpx.create_ssl_context()  # once: loading the authorities takes milliseconds

    async def get(self, url: str) -> Document:
        """Return the object at the URL.

        Raises:
            FetchError: there is none, it is too large or too slow, or the URL is not safe to follow.
        """
        return await self._exchange("GET", url)

    def led_by(self, issuer: str) -> Callable[[str], Awaitable[Document]]:
        """Return a function like ``get`` for URLs in an issuer's documents, which must not lead to internal addresses.

        If the URL's host differs from the issuer's, it must not resolve to this machine or its link unless the issuer
        is this machine, nor to an internal address unless the issuer's host does, too.
        """
        if type(self).get is not Http.get:  # an application's own network
            return self.get

        async def get(url: str) -> Document:
            return await self._exchange("GET", url, home=issuer)

        return get

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> Document:
        """Post a form and return the JSON object of the response.

        Raises:
            FetchError: there is none, it is too large or too slow, or the URL is not safe to follow.
        """
        return await self._exchange("POST", url, data=form, auth=auth)

    async def post_object(self, url: str, content: Mapping[str, Any], token: str) -> Document:
        """Post a JSON object and return the JSON object of the response.

        Args:
            url: the URL to post to.
            content: the object.
            token: the bearer token to send.

        Raises:
            FetchError: there is none, it is too large or too slow, or the URL is not safe to follow.
        """
        return await self._exchange("POST", url, {"authorization": f"Bearer {token}"}, json=content)

    async def _exchange(
        self,
        method: str,
        url: str,
        more: Mapping[str, str] | None = None,
        *,
        home: str | None = None,
        **content: Any,
    ) -> Document:
        if not is_safe(url):
            raise FetchError("the URL is neither https nor on this machine")
        try:
            with self._fail_after(self._timeout):
                async with self._client() as client:
                    headers = {"accept": "application/json", "accept-encoding": "identity", **(more or {})}
                    content["extensions"] = {"trace": self._watch(url, home)}
                    async with client.stream(method, url, headers=headers, **content) as response:
                        return Document(load_object(await self._body(response)), _max_age(response.headers))
        except (self._httpx.HTTPError, self._httpx.InvalidURL, OSError, TimeoutError) as error:
            raise FetchError(f"the server does not answer: {type(error).__name__}") from error
        except ValueError as error:
            raise FetchError("the server does not answer with one JSON object") from error

    def _watch(self, url: str, home: str | None) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
        """Return a hook that checks each connection before anything is sent, because a name's address can change."""
        is_direct, asked, host = False, self._httpx.URL(url).raw_host.decode(), str(host_of(url))

        async def look(event: str, info: Mapping[str, Any]) -> None:
            nonlocal is_direct
            if event == "connection.connect_tcp.started":
                is_direct = info.get("host") == asked  # and is of no proxy
            elif event == "connection.connect_tcp.complete" and is_direct:
                stream = info["return_value"]
                peer = str(stream.get_extra_info("server_addr")[0]).partition("%")[0]
                if not await self._may_reach(peer, host, home):
                    await stream.aclose()
                    raise FetchError(
                        "the name resolves to an internal address, which only a local issuer may use"
                    )

        return look

    async def _may_reach(self, peer: str, host: str, home: str | None) -> bool:
        """Return whether a connection to an address is allowed."""
        if self._outside:
            return not is_inside(peer)
        issuer = None if home is None else host_of(home)
        if issuer is None or issuer == host or is_loopback(issuer) or not is_inside(peer):
            return True
        found = [] if is_near(peer) else await self._look_up(issuer, None)
        return any(is_inside(str(address[0]).partition("%")[0]) for *_, address in found)

    def _client(self) -> httpx.AsyncClient:
        return self._httpx.AsyncClient(
            verify=self._context,
            transport=self._transport,
            timeout=self._timeout,
            follow_redirects=False,
        )

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise FetchError(f"the server answers with status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchError("the server sent a compressed response, though it was asked not to")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._most_bytes:
                raise FetchError(f"the server answers with more than {self._most_bytes} bytes")
        return bytes(body)


def _max_age(headers: Mapping[str, str]) -> float | None:
    found = _MAX_AGE.search(headers.get("cache-control", "").lower())
    return float(found[1]) if found else None
