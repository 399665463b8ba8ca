"""``tenantguard revoke``: what it writes into a store, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

from tenantguard.cli.app import app
from tenantguard.identity import SQLCutOffs
from tenantguard.identity.cutoffs import Name


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give the URL of a database with the tables of cut-offs."""
    address = f"sqlite:///{tmp_path / 'cutoffs.sqlite'}"
    engine = create_engine(address)
    asyncio.run(SQLCutOffs(engine).create())
    engine.dispose()
    return address


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["revoke", *arguments], env={"COLUMNS": "300"})


def held(url: str) -> set[Name]:
    """Return the names of the cut-offs that are in the store."""
    engine = create_engine(url)
    found = asyncio.run(SQLCutOffs(engine).since(-1))
    engine.dispose()
    return set(found.moments)


def test_off_boarding_is_one_call(url: str) -> None:
    """A user, the sessions, and a company, each said as often as needed."""
    done = run("--store", url, "--subject", "ada", "--subject", "bob", "--session", "s1", "--tenant", "acme")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        ["revoked: subject ada", "revoked: subject bob", "revoked: tenant acme", "revoked: session s1"],
    )
    assert held(url) == {
        Name("subject", "ada"),
        Name("subject", "bob"),
        Name("session", "s1"),
        Name("tenant", "acme"),
    }


def test_an_issuer_alone_means_every_token_of_it(url: str) -> None:
    """Beside another id, only that issuer's tokens of it."""
    issuer = "https://id.example"
    assert run("--store", url, "--issuer", issuer).output == f"revoked: every token of {issuer}\n"
    assert run("--store", url, "--issuer", issuer, "--token", "t1").exit_code == 0
    assert held(url) == {Name("issuer", issuer), Name("token", "t1", issuer)}


def test_an_asynchronous_driver_will_do(url: str) -> None:
    """The URL of the application itself may be given."""
    assert run("--store", url.replace("sqlite:", "sqlite+aiosqlite:"), "--subject", "ada").exit_code == 0
    assert held(url) == {Name("subject", "ada")}


def test_a_store_of_the_application_is_named_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it prints while it is imported."""
    (tmp_path / "shop_access.py").write_text(
        "from tenantguard.identity import MemoryCutOffs, Revocation\n"
        "print('the shop begins')\nstore = MemoryCutOffs()\nrevocation = Revocation(store)\nnothing = 5\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("store", "revocation"):
        assert run("--store", f"shop_access:{name}", "--subject", "ada").output == "revoked: subject ada\n"
    wrong = run("--store", "shop_access:nothing", "--subject", "ada")
    assert (wrong.exit_code, "is a int, neither" in wrong.output) == (2, True)
    sys.modules.pop("shop_access")


WRONG = {
    "nothing named": (("--store", "sqlite://"), "name what to revoke"),
    "an empty id": (("--store", "sqlite://", "--subject", " "), "non-empty"),
    "no URL": (("--store", "what://x", "--subject", "ada"), "the store at this URL cannot be reached"),
    "no target": (("--store", "shop", "--subject", "ada"), "write module:attribute"),
}


@pytest.mark.parametrize(("arguments", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_done_is_said_in_one_sentence(arguments: tuple[str, ...], told: str) -> None:
    """With the exit code of a wrong command line."""
    done = run(*arguments)
    said = " ".join(done.output.replace("│", " ").split())  # wherever a narrow terminal breaks the line
    assert (done.exit_code, told in said) == (2, True)


@pytest.mark.parametrize("store", ["sqlite://", "redis://127.0.0.1:1/0"])
def test_a_store_that_does_not_take_it_is_an_error(store: str) -> None:
    """No tables, nobody there: nobody takes this for done."""
    done = run("--store", store, "--subject", "ada")
    assert (done.exit_code, "not revoked: subject ada" in done.output) == (1, True)
