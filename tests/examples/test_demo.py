"""The demo, as a newcomer runs it; and that it would notice a guard that is off."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.fastapi_app import demo
from examples.fastapi_app.app import create_unguarded_app
from tests.servers import Database


def test_every_step_goes_as_promised(capsys: pytest.CaptureFixture[str]) -> None:
    """The demo on its embedded SQLite ends well."""
    assert demo.main(["--once"]) == 0, capsys.readouterr().out


def test_every_step_goes_as_promised_on_postgresql(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One variable moves it to PostgreSQL."""
    monkeypatch.setenv("DATABASE_URL", postgresql_database.async_url)
    assert demo.main(["--once"]) == 0, capsys.readouterr().out


def _unguarded(engine: AsyncEngine, _verifier: object, _open_paths: object) -> FastAPI:
    return create_unguarded_app(engine)


def test_the_walk_notices_a_guard_that_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the guard every one of the seven steps goes wrong, and the exit status says so."""
    monkeypatch.setattr(demo, "create_app", _unguarded)
    assert demo.main(["--once"]) == 1
    assert "7 step(s) went wrong" in capsys.readouterr().out
