"""Fetching: a limit on everything that a server could do to us."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tenantguard import ConfigurationError
from tenantguard.identity.http import FetchError, Http
from tenantguard.identity.places import is_safe

Writer = asyncio.StreamWriter


@asynccontextmanager
async def serving(answer: Callable[[Writer], Awaitable[None]]) -> AsyncIterator[str]:
    """Yield the URL of a server that reads one request and then does as the test says."""

    async def handle(reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that has given up already
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"


def patient() -> Http:
    """Return what fetches on a machine that may be busy: where time is not what is tested, none runs out."""
    return Http(timeout=60)


def saying(body: bytes, *headers: str, status: str = "200 OK") -> Callable[[Writer], Awaitable[None]]:
    """Return a server's behaviour: one answer."""

    async def answer(writer: Writer) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return answer


async def test_an_object_is_fetched_with_its_age() -> None:
    """As the server says it."""
    async with serving(saying(b'{"keys": []}', "cache-control: public, max-age=120")) as url:
        document = await patient().get(url)
    assert (document.content, document.max_age) == ({"keys": []}, 120.0)


REFUSED = {
    "html": saying(b"<html>", "content-type: text/html"),
    "nothing": saying(b""),
    "a list": saying(b"[]"),
    "the same member twice": saying(b'{"keys": [], "keys": []}'),
    "not found": saying(b"{}", status="404 Not Found"),
    "an error": saying(b"{}", status="500 Oops"),
    "no content": saying(b"", status="204 No Content"),
    "a redirect": saying(b"{}", "location: https://evil.example/keys", status="302 Found"),
    "a compressed answer": saying(gzip.compress(b"{}"), "content-encoding: gzip"),
    "ten megabytes": saying(b'{"a": "' + b"x" * 10_000_000 + b'"}'),
    "a bomb": saying(b"[" * 400_000),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_small_json_object_is_refused(answer: Callable[[Writer], Awaitable[None]]) -> None:
    """By one error."""
    async with serving(answer) as url:
        with pytest.raises(FetchError):
            await patient().get(url)


async def test_an_endless_answer_is_cut_off() -> None:
    """At the limit, whatever length it announces."""

    async def answer(writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with serving(answer) as url:
        with pytest.raises(FetchError, match="more than"):
            await patient().get(url)


async def test_a_server_that_hangs_is_given_up() -> None:
    """After the time for the whole exchange, not for each byte."""
    gone = asyncio.Event()

    async def answer(writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await gone.wait()

    async with serving(answer) as url:
        try:
            with pytest.raises(FetchError, match="does not answer"):
                await Http(timeout=0.05).get(url)
        finally:
            gone.set()


async def test_a_server_that_is_not_there_is_one_error() -> None:
    """As any other."""
    async with serving(saying(b"{}")) as url:
        pass
    with pytest.raises(FetchError, match="does not answer"):
        await patient().get(url)


SAFE = [
    "https://idp.example/keys",
    "http://localhost:8080/x",
    "http://127.0.0.1/",
    "http://[::1]:1/",
    "http://127.9.9.9/",
]
UNSAFE = [
    "http://idp.example/keys",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://0.0.0.0/",
    "http://169.254.169.254/",
    "http://[::]/",
    "file:///etc/passwd",
    "ftp://idp.example/",
    "https://",
    "https:///keys",
    "//idp.example/keys",
    "idp.example/keys",
    "https://user:secret@idp.example/",
    "https://idp.example:notaport/",
    "http://[::1/",
    "",
]


@pytest.mark.parametrize("url", SAFE)
def test_https_and_this_machine_are_safe(url: str) -> None:
    """Nothing else is."""
    assert is_safe(url)


@pytest.mark.parametrize("url", UNSAFE)
async def test_another_url_is_not_followed(url: str) -> None:
    """Neither checked at the start nor asked for at run time."""
    assert not is_safe(url)
    with pytest.raises(FetchError):
        await patient().get(url)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each name of ``.example`` stand for this machine, and each name be safe, as with https."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kw: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return real("127.0.0.1" if name.endswith(".example") else host, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("tenantguard.identity.http.is_safe", lambda _url: True)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("outside", "issuer", "host", "reached"),
    [
        (False, "https://idp.example", "keys.example", False),
        (False, "https://idp.example", "idp.example", True),
        (False, "http://localhost", "keys.example", True),
        (True, "http://localhost", "idp.example", False),
    ],
    ids=["another name", "its own name", "a local issuer", "outside alone"],
)
async def test_what_a_name_stands_for_is_looked_at_when_it_is_connected_to(
    outside: bool, issuer: str, host: str, reached: bool
) -> None:
    """A document leads nowhere inside by a name either, and nothing is sent there; an issuer may be inside itself."""
    asked: list[bool] = []

    async def answer(writer: Writer) -> None:
        asked.append(True)
        await saying(b"{}")(writer)

    async with serving(answer) as url:
        fetched = Http(timeout=60, outside=outside).led_by(issuer)(url.replace("127.0.0.1", host))
        if reached:
            await fetched
        else:
            with pytest.raises(FetchError, match="resolves to an internal address"):
                await fetched
    assert asked == [True] * reached


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("peer", "leads"), [("10.0.0.5", True), ("169.254.169.254", False), ("8.8.8.8", True)]
)
async def test_a_name_may_lead_into_the_network_that_the_issuer_is_in(peer: str, leads: bool) -> None:
    """As where both are a company's own, but not to this machine or its link, nor where the issuer is outside."""
    http = Http()
    assert await http._may_reach(peer, "keys.example", "https://idp.example") is leads
    assert await http._may_reach(peer, "keys.example", "https://8.8.4.4") is (peer == "8.8.8.8")


def test_a_missing_httpx_is_one_plain_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """That names what to install."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigurationError, match=r"tenantguard\[http\]"):
        Http()
