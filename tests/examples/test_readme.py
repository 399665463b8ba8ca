"""The README: its Python runs, in the order in which it stands there, and prints what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.orm import Session

from examples.fastapi_app import demo, models
from examples.fastapi_app.models import Base, Call, Comment, Company, Country, Number
from examples.fastapi_app.tokens import Issuer
from tenantguard import bind, bypass

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(\w+(?: compile)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_HOME = re.compile(
    r"https://(?:github\.com/tenantguard/tenantguard/(?:blob|tree)|raw\.githubusercontent\.com/tenantguard/tenantguard)/main/"
)
PAGES = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "docs/index.md", "docs/install.md"]


@dataclass
class Block:
    """Hold a block of Python, and the error that the text under it shows."""

    source: str
    raises: str | None = None


def blocks() -> list[Block]:
    """Read the README's blocks of Python."""
    found: list[Block] = []
    for language, content in _FENCED.findall((ROOT / "README.md").read_text()):
        if language == "python compile":  # the others run by themselves: scripts.check_docs
            found.append(Block(content))
        elif language == "text":
            found[-1].raises = content.strip()
    return found


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Give the names that a reader's application has before it meets the README."""
    url = f"sqlite:///{tmp_path / 'readers.sqlite3'}"
    unguarded = create_engine(url)
    Base.metadata.create_all(unguarded)
    with unguarded.begin() as connection:
        connection.execute(insert(Country).values(code="AT", name="Austria", prefix="+43"))
        for number, company in enumerate(("acme", "globex"), start=1):
            connection.execute(insert(Company).values(id=company, name=company, country_code="AT"))
            line = {"number": "+43", "label": "Sales", "country_code": "AT"}
            connection.execute(insert(Number).values(id=number, company_id=company, **line))
            call = {"direction": "inbound", "status": "answered", "caller": "+43"}
            connection.execute(insert(Call).values(id=number, company_id=company, number_id=number, **call))
    unguarded.dispose()
    names: dict[str, Any] = {
        "app": FastAPI(),
        "url": url,
        "public_key": Issuer().public_key(),
        "call_of_globex": 2,
    }
    names |= {"create_engine": create_engine, "Session": Session, "select": select, "text": text} | vars(
        models
    )
    yield names
    if "engine" in names:
        names["engine"].dispose()


def run(block: Block, names: dict[str, Any]) -> None:
    """Execute a block, and hold the error that it raises against the one that is shown."""
    code = compile(block.source, "README.md", "exec")
    if block.raises is None:
        exec(code, names)
        return
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is told below, word by word
        exec(code, names)
    error = f"{type(raised.value).__name__}: {raised.value}"
    shown, shortened, _ = block.raises.partition(" ...")
    assert (error[: len(shown)] if shortened else error) == shown


def test_blocks_run_as_shown(reader: dict[str, Any]) -> None:
    """Every block runs after the one before it, and each error reads as the README says."""
    found = blocks()
    for block in found:
        run(block, reader)
    assert [block.raises is not None for block in found] == [False, False, True, True, True]


def test_blocks_guard_the_engine(reader: dict[str, Any]) -> None:
    """After the first block acme sees its own call, and in a bypass there are two."""
    run(blocks()[0], reader)
    with bind("acme"), Session(reader["engine"]) as session:
        assert [call.company_id for call in session.scalars(select(Call))] == ["acme"]
    with bypass(reason="counting"), Session(reader["engine"]) as session:
        assert len(session.scalars(select(Call)).all()) == 2


async def test_blocks_guard_the_application(reader: dict[str, Any]) -> None:
    """After the first block a request without a token is refused, except where it says so."""
    run(blocks()[0], reader)
    transport = httpx.ASGITransport(app=reader["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://app.example") as client:
        answers = [(await client.get(path)).status_code for path in ("/calls", "/health")]
    assert answers == [401, 404]


def test_refused_comment_is_not_written(reader: dict[str, Any]) -> None:
    """What the README shows as refused has left no row."""
    for block in blocks():
        run(block, reader)
    with bypass(reason="counting"), Session(reader["engine"]) as session:
        assert session.scalars(select(Comment)).all() == []


def test_shown_walk_is_the_demos(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of the walk that the README shows is a line that the demo prints."""
    assert demo.main(["--once"]) == 0
    printed = capsys.readouterr().out.splitlines()
    (shown,) = (
        content
        for language, content in _FENCED.findall((ROOT / "README.md").read_text())
        if language == "console"
    )
    assert set(shown.splitlines()) <= set(printed)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Each link into the project, relative or absolute, leads to a file that is there."""
    links = [_local(link, (ROOT / page).parent) for link in _LINK.findall((ROOT / page).read_text())]
    assert any(links)
    assert [str(link) for link in links if link is not None and not link.exists()] == []


def _local(link: str, place: Path) -> Path | None:
    """Return the file of the project that a link leads to."""
    if home := _HOME.match(link):
        return ROOT / link[home.end() :]
    return None if "://" in link else place / link


def test_every_link_of_the_readme_is_absolute() -> None:
    """It is read on the package index, too."""
    assert [link for link in _LINK.findall((ROOT / "README.md").read_text()) if "://" not in link] == []


def test_the_readme_quotes_the_mechanisms_as_they_were_counted() -> None:
    """Each figure of its table stands on docs/mechanisms.md."""
    counted = set(
        re.findall(
            r"^\| (\w+) \| ([\w ]+) \| (\d+) \| (\d+) ",
            (ROOT / "docs/mechanisms.md").read_text(),
            re.MULTILINE,
        )
    )
    names = {"filters by hand, one forgotten": "none", "tenantguard": "the guard"}
    shown = re.findall(
        r"^\| (\w[^|]*?|\*\*\w+\*\*)(?: \(`.*`\))? \|(.*)\|(.*)\|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    quoted = {
        (database, names.get(name.strip("*"), name), ran, through)
        for name, *cells in shown
        for database, cell in zip(("SQLite", "PostgreSQL"), cells, strict=True)
        for through, ran in re.findall(r"(\d+) of (\d+)", cell)
    }
    assert quoted == counted
