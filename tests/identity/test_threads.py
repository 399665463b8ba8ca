"""Several threads and event loops share one verifier: none of them waits for a loop that was stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import trio

from tenantguard import IssuerUnavailableError, Principal, TokenVerifier
from tenantguard.identity import Http, IntrospectionVerifier, IssuerStore, Registry
from tenantguard.identity.flights import Flights
from tenantguard.identity.http import Document
from tests.identity.test_introspection import GOOD, URL
from tests.identity.test_remote_verifier import key_set, remote, signed
from tests.identity.tokens import NOW, as_json, clock, public_pem, rsa_key, token, verifier

THREADS = 8


class Slow(Http):
    """Be a network that answers when all threads have asked, or have come to wait."""

    def __init__(self, answer: Any, threads: int = THREADS) -> None:
        self.answer = answer
        self.fetches = 0
        self.barrier = threading.Barrier(threads)

    async def get(self, url: str) -> Document:
        return await self.post(url, {}, None)

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> Document:
        self.fetches += 1
        await asyncio.to_thread(self.barrier.wait, 20)
        return Document(self.answer)


def at_once(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """Return what these come to, each in a thread of its own, all at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result(60) for future in [pool.submit(work) for work in works]]


def verifying(checked: Any, *tokens: str) -> list[Callable[[], Principal]]:
    """Return, for each token, what verifies it in an event loop of its own."""
    return [lambda made=made: asyncio.run(checked.verify(made)) for made in tokens]  # type: ignore[misc]


def test_threads_that_come_at_once_all_get_their_keys() -> None:
    """Before a set was ever fetched."""
    http = Slow(key_set("one"))
    found = at_once(verifying(remote(http), *(signed("one", jti=str(n)) for n in range(THREADS))))
    assert [principal.tenant for principal in found] == ["acme"] * THREADS
    assert http.fetches == THREADS


def test_a_rotation_fails_no_thread() -> None:
    """A key that is new is found by each loop, though another one is just searching for it."""
    http = Slow(key_set("one"), 1)
    checked = remote(http)
    asyncio.run(checked.verify(signed("one")))
    http.answer, http.barrier = key_set("one", "two"), threading.Barrier(THREADS)
    found = at_once(verifying(checked, *(signed("two", jti=str(n)) for n in range(THREADS))))
    assert [principal.tenant for principal in found] == ["acme"] * THREADS


def test_a_token_may_be_asked_about_from_several_threads() -> None:
    """By introspection."""
    checked = IntrospectionVerifier(URL, client=("a", "b"), http=Slow(GOOD), clock=clock)
    found = at_once(verifying(checked, *["0paque"] * THREADS))
    assert [principal.tenant for principal in found] == ["acme"] * THREADS


def test_a_registry_and_a_store_may_be_asked_from_several_threads() -> None:
    """Each loop asks for itself."""
    barrier = threading.Barrier(THREADS)

    async def is_active(tenant: object) -> bool:
        await asyncio.to_thread(barrier.wait, 20)
        return True

    async def find(issuer: str) -> dict[str, Any]:
        await asyncio.to_thread(barrier.wait, 20)
        return {"key": public_pem(rsa_key("one")), "algorithms": ["RS256"], "audience": "api", "issuer": issuer,
                "speaks_for": "every"}  # fmt: skip

    registry, store = Registry(is_active), IssuerStore(find, clock=clock)
    assert at_once([lambda: asyncio.run(registry.admits("acme"))] * THREADS) == [True] * THREADS
    found = at_once(verifying(store, *(signed("one", jti=str(n)) for n in range(THREADS))))
    assert [principal.tenant for principal in found] == ["acme"] * THREADS


def test_many_tokens_from_many_threads_keep_to_their_meaning() -> None:
    """Each token is its own, in the cache too, which stays within its bounds."""
    checked = verifier()
    tokens = {f"company-{n}": token(company_id=f"company-{n}") for n in range(40)}

    def work() -> list[str]:
        async def verify_all() -> list[str]:
            return [
                company
                for _ in range(20)
                for company, made in tokens.items()
                if (await checked.verify(made)).tenant != company
            ]

        return asyncio.run(verify_all())

    assert at_once([work] * THREADS) == [[]] * THREADS


def test_a_loop_that_was_stopped_half_way_holds_up_nobody() -> None:
    """Its fetch never ends; the next loop fetches for itself, and so does another thread."""
    http = Slow(key_set("one"), 2)
    checked = remote(http)
    stopped = asyncio.new_event_loop()
    abandoned = stopped.create_task(checked.verify(signed("one")))
    stopped.call_later(0.05, stopped.stop)
    stopped.run_forever()
    http.barrier.abort()
    http.barrier = threading.Barrier(1)
    assert asyncio.run(checked.verify(signed("one"))).tenant == "acme"
    assert at_once(verifying(checked, signed("one", jti="2")))[0].tenant == "acme"
    abandoned.cancel()
    stopped.run_until_complete(asyncio.gather(abandoned, return_exceptions=True))
    stopped.run_until_complete(stopped.shutdown_default_executor())
    stopped.close()


def test_one_loop_after_another_may_use_a_verifier() -> None:
    """As ``asyncio.run`` for each request of a WSGI application makes them; renewals are cut off with their loop."""
    http = Slow(key_set("one"), 1)
    now = [0.0]
    checked: Any = remote(http, keys_lifetime=100)
    checked._keys._clock = lambda: now[0]
    for now[0] in range(0, 1000, 20):
        assert asyncio.run(checked.verify(signed("one", jti=str(now[0])))).tenant == "acme"
    assert http.fetches < 60


def test_the_answer_to_an_older_question_replaces_no_newer_one() -> None:
    """Otherwise a loop that was slow would bring back a key that is trusted no more."""
    checked: Any = remote(Slow(key_set("one"), 1))
    keys = checked._keys
    newer, older = (asyncio.run(_read(key_set(name))) for name in ("two", "one"))
    keys._take(newer, None, departed=2.0)
    keys._take(older, None, departed=1.0)
    assert [key.kid for key in keys._keys] == ["two"]


async def _read(document: dict[str, Any]) -> Any:
    from tenantguard.identity.key_reading import key_set as read

    return read(document, frozenset({"RS256"}))


async def test_work_that_nobody_waits_for_is_ended() -> None:
    """And whoever comes next begins anew, though the first will not end."""
    begun = 0

    async def work() -> str:
        nonlocal begun
        begun += 1
        if begun == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()  # it does not listen
        return "done"

    flights = Flights[str]()
    waiting = [asyncio.ensure_future(flights.join("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await asyncio.wait_for(flights.join("key", work), 60) == "done"
    assert (begun, flights._flights) == (2, {})
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_work_goes_on_while_one_still_waits() -> None:
    """Whoever gives up ends nothing for the others."""
    ready, begun = asyncio.Event(), 0

    async def work() -> str:
        nonlocal begun
        begun += 1
        await ready.wait()
        return "done"

    flights = Flights[str]()
    first, second = (asyncio.ensure_future(flights.join("key", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    ready.set()
    assert (await second, begun, flights._flights) == ("done", 1, {})


def test_a_verifier_works_under_trio() -> None:
    """Fetched keys, introspection and a registry, where no event loop of asyncio runs."""
    answers = {"/keys": key_set("one"), "/introspect": GOOD}

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, stream=httpx.ByteStream(as_json(answers[request.url.path])))

    async def is_active(tenant: object) -> bool:
        await trio.lowlevel.checkpoint()
        return tenant == "acme"

    async def main() -> list[Any]:
        http = Http(transport=httpx.MockTransport(answer))
        by_key: TokenVerifier = remote(http)
        opaque = IntrospectionVerifier(URL, client=("a", "b"), http=http, clock=clock)
        return [
            (await by_key.verify(signed("one"))).tenant,
            (await by_key.verify(signed("one", jti="2"))).tenant,
            (await opaque.verify("0paque")).tenant,
            await Registry(is_active).admits("acme"),
        ]

    assert trio.run(main) == ["acme", "acme", "acme", True]


def test_an_issuer_that_is_down_is_down_under_trio_too() -> None:
    """Within the time limit of one exchange."""

    async def hang(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async def main() -> None:
        http = Http(transport=httpx.MockTransport(hang), timeout=0.05)
        await remote(http).verify(signed("one", exp=NOW + 60))

    with pytest.raises(IssuerUnavailableError):
        trio.run(main)
