"""Exempt paths: whole segments, the routing's own decoding, and nothing bound."""

from __future__ import annotations

import pytest

from tenantguard import ConfigurationError, bind
from tests.asgi.driver import bearer, request
from tests.asgi.test_middleware import guarded
from tests.identity.tokens import token

EXEMPT = ["/health", "/docs", "/a b", "/"]
OPEN = [
    "/health",
    "/health/",
    "/health/live",
    "/docs",
    "/docs/",
    "/docs/x/y",
    "/a b",
    "/a b/c",
    "/",
    "/docs/é",
    "/docs/e\u0301",
]
CLOSED = [
    "",
    "/healthz",
    "/health2",
    "/health-check",
    "/Health",
    "/HEALTH",
    "/x/health",
    "/calls",
    "/doc",
    "/docsx/y",
    "//health",
    "/health//x",
    "/docs//calls",
    "/docs/../calls",
    "/docs/..",
    "/docs/./x",
    "/docs/.",
    "/docs/\uff0e\uff0e/calls",
    "/docs/\u2025/calls",
    "/docs/..\uff0fcalls",
    "/docs/\ufffd../calls",
    "/docs\\..\\calls",
    "/docs/..\\calls",
    "/docs/%2e%2e/calls",
    "/docs;x",
    "/docs/;/../calls",
    "/docs/x;y/..",
    "/docs\x00",
    "/docs/\x00",
    "/docs/\n",
    "/docs/\r\nx",
    "/docs/\u202e",
    "/health\u200b",
    "/health ",
    " /health",
    "/\uff48ealth",
    "health",
    "*",
    "/calls/health",
    "/calls?x=/health",
    "/calls#/health",
    "/a%20b",
    "/%68ealth",
    "/.",
    "/..",
    "/../health",
    "/./health",
]


@pytest.mark.parametrize("path", OPEN)
async def test_an_exempt_path_needs_no_token_and_binds_nothing(path: str) -> None:
    """It and all below it."""
    assert (await request(guarded(exempt=EXEMPT), path)).body == b"-"


@pytest.mark.parametrize("path", CLOSED)
async def test_what_only_looks_like_an_exempt_path_needs_a_token(path: str) -> None:
    """Prefixes of a word, other spellings, and what could be read as another path."""
    assert (await request(guarded(exempt=EXEMPT), path)).status == 401


async def test_a_token_on_an_exempt_path_binds_nothing() -> None:
    """Nor is it looked at: an expired one is no reason to refuse."""
    app = guarded(exempt=EXEMPT)
    assert (await request(app, "/health", bearer(token()))).body == b"-"
    assert (await request(app, "/health", bearer("garbage"))).body == b"-"


async def test_an_exempt_path_inside_another_binding_binds_nothing() -> None:
    """What the caller has bound is not handed on."""
    with bind("globex"):
        assert (await request(guarded(exempt=EXEMPT), "/health")).body == b"-"


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        ("/api", "/api/health", 200),
        ("/api", "/api/health/live", 200),
        ("/api", "/api/calls", 401),
        ("/api", "/api", 401),
        ("/api", "/health", 200),  # a proxy that strips its prefix; routing reads it so too
        ("/api", "/apihealth", 401),
        ("/health", "/health/calls", 401),
        ("/health", "/health/health", 200),
        ("/docs", "/docs/calls", 401),
        ("/", "//health", 200),
        ("/api/", "/api/health", 401),
    ],
)
async def test_a_root_path_is_taken_off_as_routing_takes_it(root_path: str, path: str, status: int) -> None:
    """An exempt path is one of the application, wherever it is mounted."""
    reply = await request(guarded(exempt=["/health", "/docs"]), path, root_path=root_path)
    assert reply.status == status


@pytest.mark.parametrize(
    "wrong", ["health", "", "/docs/../x", "//x", "/a%20b", "/docs?x", "/docs/*", "/{id}", 7]
)
def test_an_ambiguous_exempt_path_is_refused_at_the_start(wrong: str) -> None:
    """What it covers must be plain to who reads it."""
    with pytest.raises(ConfigurationError, match="exempt holds"):
        guarded(exempt=["/health", wrong])


def test_one_text_for_a_list_is_refused() -> None:
    """Its letters would be taken for paths."""
    with pytest.raises(ConfigurationError, match=r'exempt=\["/health"\]'):
        guarded(exempt="/health")
