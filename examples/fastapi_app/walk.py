"""The walk through the running service: what each company gets, what it does not, and what is recorded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import jwt
from rich.console import Console
from rich.markup import escape
from websockets.sync.client import ClientConnection, connect

from examples.fastapi_app.tokens import Issuer

ACME, GLOBEX = "acme", "globex"
PATIENCE = 20  # seconds until an answer that does not come counts as wrong


class WrongAnswer(Exception):
    """Say that the service did not do what it promises."""


class Recorded(logging.Handler):
    """Keep the lines that the audit trail logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())

    @contextmanager
    def listening(self) -> Iterator[Recorded]:
        """Keep what is logged during the block, and keep it off the screen."""
        logger = logging.getLogger("tenantguard.audit")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            yield self
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.propagate = propagate


@dataclass
class Walk:
    """Ask the service over HTTP, show what comes back, and hold it against what must come back.

    Args:
        url: where the service answers.
        issuer: who signs tokens that the service accepts.
        recorded: the lines of the audit trail.
        console: where to show it.
    """

    url: str
    issuer: Issuer
    recorded: Recorded
    console: Console
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = tokens_of(self.issuer)
        self._client = httpx.Client(base_url=self.url, timeout=PATIENCE)

    def go(self) -> bool:
        """Take every step; return whether all went as promised."""
        with self._client:
            for title, step in _STEPS:
                self.console.print(f"\n[bold]{title}[/]")
                try:
                    step(self)
                except (WrongAnswer, httpx.HTTPError, TimeoutError) as error:
                    self.failures.append(f"{title}: {error}")
                    self.console.print(f"  [bold red]WRONG[/] {escape(str(error))}")
        return not self.failures

    def ask(self, who: str, method: str, path: str, expected: int = 200, **options: Any) -> httpx.Response:
        """Ask as a company, show the answer, and insist on its status."""
        return self.ask_with(self.tokens[who], who, method, path, expected, **options)

    def ask_with(
        self, token: str | None, who: str, method: str, path: str, expected: int, **options: Any
    ) -> httpx.Response:
        """Ask with a token of any kind."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        answer = self._client.request(method, path, headers=headers, **options)
        colour = "green" if answer.status_code == expected else "red"
        status = f"[{colour}]{answer.status_code} {answer.reason_phrase}[/]"
        self.console.print(f"  {who:<7} {method:<5} {escape(path):<24} {status}  {_gist(answer)}")
        check(
            answer.status_code == expected, f"{method} {path} should answer {expected}: {answer.text[:300]}"
        )
        return answer

    def watch(self, who: str) -> ClientConnection:
        """Open the websocket of live calls as a company."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        address = f"{self.url.replace('http', 'ws', 1)}/live"
        return connect(address, additional_headers=headers, open_timeout=PATIENCE)

    def say(self, sentence: str) -> None:
        """Explain what was just seen."""
        self.console.print(f"  [dim]{escape(sentence)}[/]")


def tokens_of(issuer: Issuer) -> dict[str, str]:
    """Return a token for a user of each company."""
    return {ACME: issuer.sign("ada@acme.example", ACME), GLOBEX: issuer.sign("gus@globex.example", GLOBEX)}


def check(holds: bool, otherwise: str) -> None:
    """Insist that something holds.

    Raises:
        WrongAnswer: it does not.
    """
    if not holds:
        raise WrongAnswer(otherwise)


def _gist(answer: httpx.Response) -> str:
    """Return the little of an answer that is worth a line."""
    if answer.headers.get("content-type", "").startswith("text/csv"):
        return f"{len(answer.text.splitlines()) - 1} lines of CSV"
    if not answer.headers.get("content-type", "").endswith("json"):
        return escape(answer.text[:160])
    content = answer.json()
    if isinstance(content, list):
        return f"{len(content)} rows"
    chosen = {
        name: content[name]
        for name in ("total", "id", "name", "status", "title", "detail")
        if name in content
    }
    told = json.dumps(chosen or content)
    return escape(told if len(told) <= 160 else f"{told[:157]}...")


def own_calls(walk: Walk) -> None:
    """Show that lists, counts, sums and exports hold what the company owns."""
    seen: dict[str, set[int]] = {}
    for who in (ACME, GLOBEX):
        check(walk.ask(who, "GET", "/company").json()["id"] == who, "another company came back")
        page = walk.ask(who, "GET", "/calls?size=200").json()
        lines = walk.ask(who, "GET", "/calls.csv").text.splitlines()[1:]
        numbers = walk.ask(who, "GET", "/statistics/numbers").json()
        check(page["total"] == len(lines), "the count and the export disagree")
        check(page["total"] == sum(number["calls"] for number in numbers), "the count and the sums disagree")
        seen[who] = {int(line.split(",", 1)[0]) for line in lines}
    check(bool(seen[ACME]) and bool(seen[GLOBEX]), "a company sees none of its calls")
    check(seen[ACME].isdisjoint(seen[GLOBEX]), "the companies see calls of one another")
    walk.say("The same endpoints and the same SQL; not one of them mentions a company.")


def foreign_call(walk: Walk) -> None:
    """Show that another company's call cannot be told from one that does not exist."""
    theirs = _a_call_of(walk, GLOBEX)
    hidden = walk.ask(ACME, "GET", f"/calls/{theirs}", 404)
    missing = walk.ask(ACME, "GET", "/calls/99999999", 404)
    check(hidden.content == missing.content, "the two answers differ, and so tell that the call exists")
    walk.ask(GLOBEX, "GET", f"/calls/{theirs}")


def foreign_writes(walk: Walk) -> None:
    """Show that nothing of another company can be changed or pointed at."""
    theirs = _a_call_of(walk, GLOBEX)
    before = walk.ask(GLOBEX, "GET", f"/calls/{theirs}").json()
    number = before["number"]["id"]
    walk.ask(ACME, "PATCH", f"/calls/{theirs}", 404, json={"status": "missed", "seconds": 0})
    walk.ask(ACME, "POST", "/calls/tags", 403, json={"tag": "hacked", "call_ids": [theirs]})
    walk.ask(ACME, "POST", f"/calls/{theirs}/comments", 403, json={"text": "we were here"})
    walk.ask(ACME, "POST", "/calls", 403, json={"number_id": number, "caller": "+43123456789"})
    check(walk.ask(GLOBEX, "GET", f"/calls/{theirs}").json() == before, "the call was changed")
    walk.say("The call is as it was: no tag, no comment, and no call of acme on a number of globex.")


def own_writes(walk: Walk) -> None:
    """Show that a company's own work goes through and that only it hears of it."""
    with walk.watch(ACME) as at_acme, walk.watch(GLOBEX) as at_globex:
        for socket in (at_acme, at_globex):
            socket.recv(timeout=PATIENCE)  # says that the watch has begun
        made = {who: _record_call(walk, who) for who in (ACME, GLOBEX)}
        for who, socket in ((ACME, at_acme), (GLOBEX, at_globex)):
            heard = json.loads(socket.recv(timeout=PATIENCE))["id"]
            walk.console.print(f"  {who:<7} WS    /live                    call {heard}")
            check(heard == made[who], f"{who} heard of call {heard} instead of its own {made[who]}")
    walk.ask(ACME, "PATCH", f"/calls/{made[ACME]}", json={"status": "missed", "seconds": 0})
    walk.say("New rows are stamped with the company of the token; each websocket hears only its own.")


def hand_written_sql(walk: Walk) -> None:
    """Show that SQL which the guard cannot read never reaches the database."""
    walk.ask(ACME, "GET", "/reports/old", 403)
    walk.say('That endpoint runs text("select * from calls").')


def bad_tokens(walk: Walk) -> None:
    """Show that only a token which the issuer signed, and which still holds, opens the door."""
    bad: list[tuple[str, str | None]] = [
        ("nobody", None),
        ("forger", Issuer().sign("mallory@acme.example", ACME)),
        ("editor", _edited(walk.tokens[GLOBEX], ACME)),
        ("none", jwt.encode({"sub": "mallory", "company_id": ACME}, "", algorithm="none")),
        ("expired", walk.issuer.sign("ada@acme.example", ACME, lifetime=timedelta(minutes=-5))),
    ]
    for who, token in bad:
        answer = walk.ask_with(token, who, "GET", "/calls", 401)
        check("www-authenticate" in answer.headers, "the answer does not say how to authenticate")


def record(walk: Walk) -> None:
    """Show what the audit trail kept of all this."""
    events = [json.loads(line) for line in walk.recorded.lines]
    for event in events:
        told = "  ".join(
            f"[cyan]{name}[/]={escape(str(event[name])[:60])}" for name in _SHOWN if name in event
        )
        walk.console.print(f"  {event['time'][11:23]} [yellow]{event['kind']:<13}[/] {told}")
    kinds = [event["kind"] for event in events]
    for kind, least in (("foreign_key", 3), ("raw_sql", 1), ("token_refused", 5), ("bypass_opened", 1)):
        check(kinds.count(kind) >= least, f"only {kinds.count(kind)} {kind} event(s) recorded, not {least}")
    walk.say(
        "Each refusal is recorded before it is raised: one line of JSON on the logger tenantguard.audit."
    )


def _a_call_of(walk: Walk, who: str) -> int:
    calls = walk.ask(who, "GET", "/calls?size=1").json()["calls"]
    return int(calls[0]["id"])


def _record_call(walk: Walk, who: str) -> int:
    number = walk.ask(who, "GET", "/numbers").json()[0]["id"]
    call = {"number_id": number, "caller": "+43123456789", "status": "voicemail", "seconds": 12}
    return int(walk.ask(who, "POST", "/calls", 201, json=call).json()["id"])


def _edited(token: str, company: str) -> str:
    """Return the token with another company written in, its signature left as it was."""
    claims = jwt.decode(token, options={"verify_signature": False})
    payload = jwt.encode({**claims, "company_id": company}, "x" * 32).split(".")[1]
    head, _, signature = token.split(".")
    return f"{head}.{payload}.{signature}"


_SHOWN = ("tenant", "attempted", "table", "subject", "reason", "statement")
_STEPS: list[tuple[str, Callable[[Walk], None]]] = [
    ("1. Each company sees its own calls", own_calls),
    ("2. The other's call by id does not exist", foreign_call),
    ("3. The other's rows cannot be changed, tagged or pointed at", foreign_writes),
    ("4. Its own work goes through", own_writes),
    ("5. SQL written by hand is refused", hand_written_sql),
    ("6. Forged, edited and expired tokens are refused", bad_tokens),
    ("7. What was recorded", record),
]
