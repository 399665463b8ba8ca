"""``tenantguard access``: listed, decided row by row by somebody named, carried out, and compared with the last one."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, exists, select, text
from sqlalchemy.pool import StaticPool
from typer.testing import CliRunner, Result

from tenantguard import Actor, PermissionDeniedError, Principal, Tenancy, TokenError, bind, guard
from tenantguard.cli.app import app
from tenantguard.identity import MemoryCutOffs, Revocation, SQLCutOffs
from tenantguard.identity.cutoffs import Name
from tenantguard.review import ReachedBook, SeenBook
from tenantguard.review.formats import as_oscal
from tenantguard.review.snapshot import Row, Snapshot
from tenantguard.review.sources import granted
from tests.cli.oscal import SCHEMA
from tests.identity.test_introspection import GOOD, Issuer
from tests.identity.tokens import NOW, claims, clock, sign, verifier
from tests.servers import Database

metadata = MetaData()
for name in ("calls", "invoices"):
    Table(
        name, metadata, Column("id", String, primary_key=True), Column("company_id", String, nullable=False)
    )
tenancy = Tenancy(
    metadata, column="company_id", permissions={"invoices": {"read": "billing:read", "write": "boss"}}
)
HERE = f"{__name__}:tenancy"
DAY = datetime(2026, 11, 28, 9, tzinfo=UTC)


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["access", *arguments], env={"COLUMNS": "400"})


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Give a book in which three came in: one of two companies, one with a formula for a name, and an actor."""
    path = tmp_path / "seen.jsonl"
    book = SeenBook(path, clock=lambda: DAY)
    for _ in range(2):
        book(Principal("ada", "acme", frozenset({"billing:read"})))
    book(Principal("=cmd()|<b>", tenants=("acme", "globex")))
    book(Principal("ada", "acme", actor=Actor("sam", reason="ticket 4711", until=2e10)))
    return path


@pytest.fixture
def snapshot(tmp_path: Path, seen: Path) -> Path:
    """Give a snapshot of that book."""
    path = tmp_path / "q4.json"
    assert run("--tenancy", HERE, "--seen", str(seen), "--save", str(path)).exit_code == 0
    return path


def test_it_lists_who_reaches_what(seen: Path) -> None:
    """By company and table; each once, and an actor apart from whom they act for."""
    found = run("--tenancy", HERE, "--seen", str(seen), "--format", "csv")
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert [(row["kind"], row["who"], row["company"], row["tables"], row["last"]) for row in rows] == [
        ("actor", "sam", "acme", "calls (read, write)", "2026-11-28"),
        ("person", "'=cmd()|<b>", "acme", "calls (read, write)", "2026-11-28"),
        ("person", "'=cmd()|<b>", "globex", "calls (read, write)", "2026-11-28"),
        ("person", "ada", "acme", "invoices (read); calls (read, write)", "2026-11-28"),
    ]
    assert len(seen.read_text().splitlines()) == 3


async def test_a_verifier_notes_who_comes_in(tmp_path: Path) -> None:
    """Each token that it verifies anew, and nobody who was revoked, or has not proven what the token asks for."""
    book = SeenBook(tmp_path / "seen.jsonl")
    revocation = Revocation(MemoryCutOffs(), clock=clock)
    checked = verifier(seen=book, revocation=revocation)
    await revocation.revoke(subject="eve")
    for _ in range(2):
        await checked.verify(sign(claims(iat=NOW - 1)))
    for refused in ({"sub": "eve"}, {"sub": "mallory", "cnf": {"jkt": "x"}}):
        with pytest.raises(TokenError):
            await checked.verify(sign(claims(iat=NOW - 1, **refused)))
    (line,) = (tmp_path / "seen.jsonl").read_text().splitlines()
    assert json.loads(line)["subject"] == "ada"


async def test_who_is_asked_about_is_noted_when_they_come_in() -> None:
    """And not where their session was revoked."""
    noted: list[Principal] = []
    revocation = Revocation(MemoryCutOffs(), clock=clock)
    asked = Issuer(GOOD | {"iat": NOW - 1}).verifier(seen=noted.append, revocation=revocation)
    await asked.verify("one")
    await revocation.revoke(subject=GOOD["sub"])
    with pytest.raises(TokenError):
        await asked.verify("two")
    assert len(noted) == 1


def test_the_page_and_oscal_escape_what_they_show(seen: Path) -> None:
    """A name is no markup, and each row is an observation with an id of its own."""
    page = run("--tenancy", HERE, "--seen", str(seen), "--format", "html").stdout
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    told = json.loads(run("--tenancy", HERE, "--seen", str(seen), "--format", "oscal").stdout)
    results = told["assessment-results"]
    assert results["metadata"]["oscal-version"] == "1.1.2"
    observations = results["results"][0]["observations"]
    assert len({one["uuid"] for one in observations}) == len(observations) == 4
    assert all(one["methods"] == ["EXAMINE"] and one["collected"].endswith("Z") for one in observations)


ODD = [
    " ada\nx ",
    "\u2028a\x85b",
    "",
    "\t",
    "<b>&amp;",
    "a" * 5_000,
    "\u516c\u53f8 \U0001f600",
    "a\x00\x1b[31mb",
]


@pytest.mark.parametrize("rows", [[], [Row("person", who, "acme", who, who, who) for who in ODD]])
def test_oscal_is_valid(rows: list[Row]) -> None:
    """By what is said of each of its members: whoever is named, and where nobody is."""
    told = json.loads(as_oscal(Snapshot.of(rows, DAY)))
    jsonschema.validate(told, SCHEMA)
    found = told["assessment-results"]["results"][0].get("observations", [])
    assert [one["title"] for one in found if "ada" in one["title"]] == ["person ada x"] * bool(rows)
    assert len(found) == len(rows)


def test_bypasses_are_read_from_the_record_and_the_source(tmp_path: Path) -> None:
    """What was opened, by whom and where, and what could be."""
    record = tmp_path / "audit.jsonl"
    event = {
        "kind": "bypass_opened",
        "time": "2026-11-01T00:00:00+00:00",
        "subject": "ada",
        "reason": "x",
        "place": "a.py:1",
    }
    record.write_text(json.dumps(event) + "\n\n" + json.dumps({**event, "kind": "permission"}) + "\n")
    source = tmp_path / "app"
    source.mkdir()
    (source / "jobs.py").write_text("import tg\n\nwith tg.bypass(reason='nightly'):\n    pass\n")
    (source / "broken.py").write_text("def (:")
    found = run("--tenancy", HERE, "--record", str(record), "--source", str(source), "--format", "csv")
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert [(row["who"], row["by"]) for row in rows] == [
        ("ada", "bypass: x (a.py:1)"),
        ("jobs.py:3", "bypass: 'nightly'"),
    ]


def test_each_row_is_decided_by_somebody_named_and_carried_out(tmp_path: Path, snapshot: Path) -> None:
    """Nothing happens before all are; then people are cut off, and what is left to do is listed."""
    rows = Snapshot.load(snapshot).rows
    store = f"sqlite:///{tmp_path / 'cutoffs.sqlite'}"
    asyncio.run(SQLCutOffs(create_engine(store)).create())
    assert run("apply", str(snapshot), "--store", store).exit_code == 1
    for name, row in rows.items():
        decision = "remove" if row.who == "sam" else "keep"
        assert run("decide", str(snapshot), name, decision, "--by", "Grace Hopper").exit_code == 0
    assert run("apply", str(snapshot)).exit_code == 2
    found = run("apply", str(snapshot), "--store", store)
    assert "cut off: sam" in found.stdout
    assert set(asyncio.run(SQLCutOffs(create_engine(store)).since(-1)).moments) == {Name("subject", "sam")}
    held = Snapshot.load(snapshot).rows
    assert {row.decided_by for row in held.values()} == {"Grace Hopper"}
    assert all(row.applied_at for row in held.values())
    again = run("decide", str(snapshot), next(iter(held)), "keep", "--by", "Grace Hopper")
    assert "was applied at" in again.output


@pytest.mark.parametrize(
    ("row", "decision", "by", "told"),
    [
        ("nothing", "keep", "Grace", "has no row"),
        (None, "keep", " ", "say who decides"),
        (None, "maybe", "Grace", "keep or remove"),
        (None, "keep", "SAM", "on their own access"),
    ],
)
def test_a_decision_that_is_none_is_refused(
    snapshot: Path, row: str | None, decision: str, by: str, told: str
) -> None:
    """An unknown row, nobody, another word, and one's own access."""
    own = next(name for name, held in Snapshot.load(snapshot).rows.items() if held.who == "sam")
    found = run("decide", str(snapshot), row or own, decision, "--by", by)
    assert found.exit_code == 2
    assert told in found.output


def test_the_difference_to_the_last_one_is_told(snapshot: Path, seen: Path) -> None:
    """What is new, what is gone, and what is still here though it was to be removed."""
    own = next(name for name, held in Snapshot.load(snapshot).rows.items() if held.who == "sam")
    run("decide", str(snapshot), own, "remove", "--by", "Grace")
    lines = [line for line in seen.read_text().splitlines() if "cmd" not in line]
    seen.write_text("\n".join(lines))
    SeenBook(seen, clock=lambda: DAY)(Principal("eve", "acme"))
    seen.write_text(seen.read_text().replace("}{", "}\n{"))
    found = run("--tenancy", HERE, "--seen", str(seen), "--since", str(snapshot))
    told = [line.partition(":")[0] for line in found.stderr.splitlines()]
    assert sorted(told) == [
        "gone since 2026-Q4", "gone since 2026-Q4", "new since 2026-Q4",
        "still here, although it should have been removed, since 2026-Q4",
    ]  # fmt: skip


@pytest.mark.parametrize("rubbish", ["{", "[]", "7", '{"subject": "x"}', '"x"'])
def test_rubbish_in_a_file_is_told_with_its_line(tmp_path: Path, rubbish: str) -> None:
    """A review that left something out would be none."""
    path = tmp_path / "x"
    path.write_text(rubbish)
    for option in ("--seen", "--record", "--since"):
        found = run("--tenancy", HERE, option, str(path))
        assert found.exit_code == 2, option
    assert run("decide", str(path), "x", "keep", "--by", "y").exit_code == 2


def test_a_snapshot_is_not_written_over(snapshot: Path, seen: Path) -> None:
    """It may hold decisions."""
    found = run("--tenancy", HERE, "--seen", str(seen), "--save", str(snapshot))
    assert found.exit_code == 2
    assert "already exists" in found.output


def test_roles_and_grants_are_read_from_postgresql_and_revoked(database: Database, tmp_path: Path) -> None:
    """A role that no policy holds reaches every table; what is to be removed is revoked, all or nothing."""
    engine = database.create_engine()
    if database.backend != "postgresql":
        with pytest.raises(Exception, match="read from PostgreSQL"):
            list(granted(engine))
        return
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON calls TO PUBLIC"))
    rows: list[Any] = list(granted(engine))
    assert any(row.by == "superuser" and row.tables == "every table" for row in rows)
    assert any(row.who == "PUBLIC" and row.tables.endswith(".calls") and row.by == "SELECT" for row in rows)
    path = tmp_path / "roles.json"
    taken = [row for row in rows if row.who == "PUBLIC" and row.tables.endswith(".calls")]
    held = Snapshot.of(taken, DAY)
    held.decide(taken[0].id, "remove", "Grace", DAY)
    held.save(path)
    url = engine.url.render_as_string(hide_password=False)
    assert "nothing was changed" in run("apply", str(_edited(path)), "--database", url).output
    assert "revoked: REVOKE SELECT" in run("apply", str(path), "--database", url).stdout
    assert not [row for row in granted(engine) if row.who == "PUBLIC" and row.tables.endswith(".calls")]


def _edited(path: Path) -> Path:
    """Return a copy of a snapshot that names a table which is not there."""
    copy = path.with_name("edited.json")
    copy.write_text(path.read_text().replace(".calls", ".nowhere"))
    return copy


def test_the_tables_that_somebody_reached_are_told(tmp_path: Path, seen: Path) -> None:
    """By Core and by SQL text, for whoever acts; once a day; and what was refused was not reached."""
    path = tmp_path / "reached.jsonl"
    engine = guard(create_engine("sqlite://", poolclass=StaticPool), tenancy, raw_sql="rewrite")
    metadata.create_all(engine)
    ReachedBook(path, clock=lambda: DAY).watch(engine)
    calls, invoices = metadata.tables["calls"], metadata.tables["invoices"]
    ada = Principal("ada", "acme", frozenset({"billing:read"}))
    sam = Principal("ada", "acme", actor=Actor("sam", reason="ticket 4711", until=2e10))
    for _ in range(2):
        with bind(ada), engine.connect() as connection:
            connection.execute(select(calls).where(exists().where(invoices.c.id == calls.c.id)))
            connection.exec_driver_sql("SELECT id FROM calls")
        with bind(sam), engine.connect() as connection:
            connection.execute(select(calls))
            with pytest.raises(PermissionDeniedError):
                connection.execute(select(invoices))
    assert len(path.read_text().splitlines()) == 3
    found = run("--tenancy", HERE, "--seen", str(seen), "--reach", str(path), "--format", "csv")
    told = {row["who"]: row["reached"] for row in csv.DictReader(found.stdout.splitlines())}
    assert (told["ada"], told["sam"], told["'=cmd()|<b>"]) == ("(SQL text), calls, invoices", "calls", "")
