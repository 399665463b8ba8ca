"""The walk of a request: which rooms of the house it passes, from the socket to the session and back."""

from __future__ import annotations

import asyncio
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
from tests.asgi.driver import bearer, request
from tests.identity.tokens import clock, token, verifier
from tests.models import Call, create_schema, make_tenancy, seed
from tests.servers import Database

HOUSE = Path(tenantguard.__file__).parent
MOST = 6
# the floor that all stand on: values and errors, which lead nowhere
GROUND = {"errors", "principal", "binding", "tenancy", "belonging"}


class Walk:
    """Note the rooms of the house whose functions are called."""

    def __init__(self) -> None:
        self.rooms: list[str] = []

    def __call__(self, frame: FrameType, kind: str, _argument: Any) -> None:
        """Be a function for ``sys.setprofile``."""
        path = Path(frame.f_code.co_filename)
        if kind != "call" or not path.is_relative_to(HOUSE):
            return
        parts = path.relative_to(HOUSE).with_suffix("").parts
        room = ".".join(parts[:2]) if parts[0] == "sql" else parts[0]
        if room not in self.rooms and room not in GROUND:
            self.rooms.append(room)


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
        sys.setprofile(walk)
        try:
            return (await request(app, "/", headers)).body
        finally:
            sys.setprofile(None)

    assert asyncio.run(again()) == b"3"
    assert len(walk.rooms) <= MOST, walk.rooms
