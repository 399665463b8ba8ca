"""The walk of a request: which rooms of the house it passes, from the socket to the session and back.

What is called is noted as it happens; where doors lead is drawn from the imports, as for statements.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import tenantguard
from tenantguard import TenantMiddleware, guard
from tenantguard.sql.observe.engine import _know
from tests.asgi.driver import bearer, request
from tests.identity.tokens import clock, token, verifier
from tests.models import Call, create_schema, make_tenancy, seed
from tests.servers import Database
from tests.test_architecture import MODULES, ROOT, imports

HOUSE = Path(tenantguard.__file__).parent
MOST = 6
# the floor that all stand on: values and errors, which lead nowhere
GROUND = {"errors", "principal", "binding", "tenancy", "placements"}


def room(module: str) -> str:
    """Return the room that a module lies in."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["sql"] else "".join(parts[:1])


def told() -> list[str]:
    """Return the rooms of a request in the order in which CONTRIBUTING.md tells them."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Follow a request")[2].partition("\n## ")[0]
    return [
        path.replace("/", ".").rstrip(".").removesuffix(".py")
        for path in re.findall(r"^\d+\. `(.+?)`", text, re.M)
    ]


class Walk:
    """Note the rooms of the house whose functions are called."""

    def __init__(self) -> None:
        self.rooms: list[str] = []

    def __call__(self, frame: FrameType, kind: str, _argument: Any) -> None:
        """Be a function for ``sys.setprofile``."""
        path = Path(frame.f_code.co_filename)
        if kind != "call" or not path.is_relative_to(HOUSE):
            return
        if frame.f_code is _know.__code__:  # of a process in which some engine was observed; it leads nowhere
            return
        entered = room(".".join(("tenantguard", *path.relative_to(HOUSE).with_suffix("").parts)))
        if entered not in self.rooms and entered not in GROUND:
            self.rooms.append(entered)


@pytest.fixture
def app(database: Database) -> Starlette:
    """Give an application that reads through a guarded session."""
    plain = database.create_engine()
    create_schema(plain)
    seed(plain)
    engine = guard(database.create_engine(), make_tenancy())

    async def calls(_: Request) -> Response:
        with Session(engine) as session:
            return PlainTextResponse(str(len(session.scalars(select(Call)).all())))

    made = Starlette(routes=[Route("/", calls)])
    made.add_middleware(TenantMiddleware, verifier=verifier(), clock=clock)
    return made


def test_a_request_passes_at_most_six_rooms(app: Starlette) -> None:
    """From the socket to the session and back, once it is warm: no way leads through the rest of the house."""
    headers = bearer(token())
    asyncio.run(request(app, "/", headers))
    walk = Walk()

    async def again() -> bytes:
        # what earlier tests left behind must not be finalised, and noted, in the middle of this walk
        gc.collect()
        gc.disable()
        sys.setprofile(walk)
        try:
            return (await request(app, "/", headers)).body
        finally:
            sys.setprofile(None)
            gc.enable()

    assert asyncio.run(again()) == b"3"
    assert len(walk.rooms) <= MOST, walk.rooms
    assert set(walk.rooms) <= set(told()), "CONTRIBUTING.md tells another way"


def test_the_rooms_of_a_request_are_passed_in_one_direction() -> None:
    """Drawn from the imports: no door leads back, and none from the request's half of the house to the database's.

    They meet in the context alone.
    """
    rooms = told()
    assert len(rooms) <= MOST
    doors = {
        (room(name), room(found.module))
        for name in MODULES
        for found in imports(name)
        if not found.for_types_only and found.module.startswith("tenantguard.")
    }
    drawn = {(one, other) for one, other in doors if one in rooms and other in rooms and one != other}
    assert drawn == {
        ("asgi", "identity"),
        ("asgi", "context"),
        ("identity", "context"),
        ("sql.sessions", "context"),
        ("sql.execute", "context"),
        ("sql.telling", "context"),
    }
