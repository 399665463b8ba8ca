"""``tenantguard lock``, ``check --locked``, ``watch`` and ``review``, as they are run in a repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tenantguard.audit import MemorySink, add_sink, remove_sink
from tenantguard.cli.app import app
from tests.servers import Backend, Database

APP = """
from sqlalchemy import Column, Integer, MetaData, String, Table
from tenantguard import Tenancy
metadata = MetaData()
Table("users", metadata, Column("id", Integer, primary_key=True), Column("firm", String(9), nullable=False, index=True))
Table("notes", metadata, Column("id", Integer, primary_key=True))
tenancy = Tenancy(metadata, column="firm", shared={"notes"})
"""
CHANGED = APP.replace('shared={"notes"}', 'shared_writable={"notes"}')
Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a repository with a Tenancy in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    _write(tmp_path, APP)
    (tmp_path / "pyproject.toml").write_text('[tool.tenantguard]\ntenancy = "locked_app:tenancy"\n')
    _git("init", "-q")
    yield tmp_path
    sys.modules.pop("locked_app", None)


def _write(folder: Path, code: str) -> None:
    (folder / "locked_app.py").write_text(code)
    sys.modules.pop("locked_app", None)


def _git(*words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True
    )


def _commit() -> None:
    _git("add", "-A")
    _git("commit", "-qm", "all")


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_what_was_approved_passes_and_what_was_not_fails(place: Path) -> None:
    """The lock is written once; a change of the code is shown beside it."""
    assert _run("lock").exit_code == 0
    assert _run("check", "--locked").exit_code == 0
    _write(place, CHANGED)
    result = _run("check", "--locked")
    assert result.exit_code == 1
    assert "TG501 error tables: notes" in result.stdout
    assert "      - shared\n      + shared, writable" in result.stdout
    assert _run("check").exit_code == 0


def test_a_database_that_is_not_compared_is_told(
    place: Path, make_database: Callable[[Backend, str], Database]
) -> None:
    """A lock without it and a check with it compare nothing: a finding; the other way round it is a note."""
    database = make_database("postgresql", "locked_cli")
    engine = database.create_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE users (id serial PRIMARY KEY, firm varchar(9) NOT NULL)")
        connection.exec_driver_sql("CREATE INDEX ON users (firm)")
        connection.exec_driver_sql("CREATE TABLE notes (id serial PRIMARY KEY)")
    _run("lock")
    told = _run("check", "--locked", "--url", database.url)
    assert told.exit_code == 1, told.output
    assert "TG904 warning tenancy.lock" in told.stdout
    assert "tables, policies, roles and grants were not compared" in told.stdout
    _run("lock", "--url", database.url)
    assert "TG904" not in _run("check", "--locked", "--url", database.url).stdout
    without = _run("check", "--locked")
    assert (without.exit_code, "TG904 note tenancy.lock" in without.stdout) == (0, True)
    database.close()


def test_a_lock_that_is_missing_or_edited_is_one_sentence(place: Path) -> None:
    """And exit status 2."""
    missing = _run("check", "--locked")
    assert (missing.exit_code, "write it with tenantguard lock" in missing.output) == (2, True)
    _run("lock")
    lock = place / "tenancy.lock"
    lock.write_text(lock.read_text().replace("notes = shared", "notes = shared, writable"))
    edited = _run("check", "--locked")
    assert (edited.exit_code, "was edited by hand" in edited.output) == (2, True)


def test_watch_records_an_event_for_each_difference(place: Path) -> None:
    """Once, and the exit status tells."""
    _run("lock")
    _write(place, CHANGED)
    sink = add_sink(MemorySink())
    try:
        result = _run("watch", "--interval", "1", "--times", "2")
    finally:
        remove_sink(sink)
    assert result.exit_code == 1
    (event,) = sink.events
    assert (event.kind, event.table, event.place) == ("drift", "notes", "tables: notes")
    assert "every tenant may write notes" in str(event.message)


@pytest.mark.parametrize("with_lock", [True, False])
def test_review_compares_with_a_commit(place: Path, with_lock: bool) -> None:
    """By its lock, or by its code where it has none."""
    if with_lock:
        _run("lock")
    _commit()
    _write(place, CHANGED)
    result = _run("review", "--base", "HEAD")
    assert result.exit_code == 0, result.output
    assert "- `notes`: every tenant may write notes (was: shared; is: shared, writable)" in result.stdout
    assert "**Refusals that are taken away**\n\n- writes of `notes` outside of a bypass" in result.stdout
    assert (
        subprocess.run(["git", "worktree", "list"], capture_output=True, check=True).stdout.count(b"\n") == 1
    )


def test_review_against_nothing_is_one_sentence(place: Path) -> None:
    """A commit that is not there."""
    result = _run("review", "--base", "nowhere")
    assert (result.exit_code, "there is no commit 'nowhere'" in result.output) == (2, True)
