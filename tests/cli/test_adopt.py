"""``tenantguard init`` and ``observe``: what they print and write, and one sentence where they cannot run."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tenantguard.cli.app import app

numbers = itertools.count()

SHOP = """
from sqlalchemy import ForeignKey, create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

print("the application begins")


class Base(DeclarativeBase):
    pass


class Company(Base):
    __tablename__ = "companies"
    id: Mapped[int] = mapped_column(primary_key=True)


class Call(Base):
    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))


class Job(Base):
    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)


other = 7
engine = create_engine("sqlite://")


def listed(bound=1):
    from tenantguard import Tenancy, bind, guard
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all([Company(id=1), Company(id=2)])
        session.flush()
        session.add_all([Call(company_id=1), Call(company_id=2)])
    tenancy = Tenancy(Base.metadata, column="company_id", columns={"companies": "id"}, shared={"jobs"})
    guard(engine, tenancy, mode="observe")
    with Session(engine) as session:
        session.scalars(select(Call)).all()
    with bind(1), Session(engine) as session:
        every(session)
        session.execute(text("SELECT '<b>' FROM calls"))
        session.scalars(select(Call).where(Call.company_id == 1)).all()
        session.execute(insert(Call).values(company_id=select(Company.id).limit(1).scalar_subquery()))


def every(session):
    session.scalars(select(Call)).all()  # <all>


if __name__ == "__main__":
    listed()
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module of models in the current directory."""
    name = f"shop_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TENANTGUARD_OBSERVED", raising=False)
    return name


def run(*arguments: str) -> Result:
    """Run the command as it is written in a shell."""
    return CliRunner().invoke(app, list(arguments))


def test_init_prints_a_tenancy_and_what_is_found_in_the_source(shop: str) -> None:
    """Python goes to standard output, so that it can be written to a file; the rest stands beside it."""
    done = run("init", f"{shop}:Base")
    assert done.exit_code == 1, done.output
    assert f"from {shop} import Base" in done.stdout
    assert "the application begins" not in done.output
    compile(done.stdout, "printed", "exec")
    assert '"companies": "id",  # the companies themselves' in done.stdout
    assert '"jobs": nobody,  # nothing ties it to a company' in done.stdout
    assert "placed 2 of 3 tables; the companies: companies" in done.stderr
    assert "engines: call guard(engine, tenancy) where each is made (1)" in done.stderr
    assert f"{shop}.py:29 " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["init", "no_such_module:Base"], "no module named"),
        (["init", "{shop}:nothing"], "has no 'nothing'"),
        (["init", "{shop}:other"], "is neither a MetaData nor a declarative base (int)"),
        (["init", "{shop}:Base", "--companies", "x"], "there is no table 'x'"),
        (["init", "{shop}:Base", "--url", "nonsense"], "the URL cannot be read"),
        (["init", "{shop}:Base", "--url", "sqlite:///none.db"], "there is no database file"),
        (["init", "{shop}:Base", "--source", "nowhere"], "there is no source at nowhere"),
        (["init", "broken:Base"], "broken does not import: ZeroDivisionError: division by zero"),
        (
            ["init", "lacking:Base"],
            "lacking does not import: ValidationError: the settings lack secret: set them in",
        ),
        (["observe", "report"], "nothing was observed in .tenantguard/observed"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(shop: str, arguments: list[str], told: str) -> None:
    """No traceback, exit code 2; with --debug there is one."""
    Path("broken.py").write_text("1 / 0\n")
    Path("lacking.py").write_text(
        "from pydantic import create_model\ncreate_model('S', secret=(str, ...))()\n"
    )
    done = run(*[one.replace("{shop}", shop) for one in arguments])
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output
    assert "Traceback" in run(*[one.replace("{shop}", shop) for one in arguments], "--debug").output


class _Well(HTMLParser):
    """A reader of a page that counts what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_names_each_place_the_most_dangerous_first(shop: str) -> None:
    """Of a process that ran elsewhere: what reaches other companies, is refused, lacks a binding, and so on."""
    subprocess.run([sys.executable, f"{shop}.py"], check=True, capture_output=True, timeout=60)
    done = run("observe", "report", "--all", "--html", "page.html", "--json", "places.json")
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    heads = [line for line in lines if line.split(":")[0].endswith(".py") and line[:1] != " "]
    assert [line.partition(f" {shop}.py:")[0] for line in heads] == [
        "reaches other companies",
        "would be refused",
        "no tenant bound",
        "not compared",
        "works the same",
    ]
    assert f"{shop}.py:51 in every, once" in heads[0]
    assert "    session.scalars(select(Call)).all()  # <all>" in lines
    assert f"    began in {shop}.py:55 in <module>" in lines
    assert "    it returns 2 rows, with the guard 1" in lines
    assert lines[-1].startswith(
        "1 reaches other companies; 1 would be refused; 1 no tenant bound; 1 not compared; 1 works the same; "
    )
    page = Path("page.html").read_text()
    well = _Well()
    well.feed(page)
    assert well.open == []
    assert "# &lt;all&gt;" in page
    assert len(json.loads(Path("places.json").read_text())) == 5
    assert "deleted: 1 file(s)" in run("observe", "clear").output
    assert run("observe", "report").exit_code == 2


def test_the_module_is_the_program(tmp_path: Path) -> None:
    """``python -m tenantguard`` is the same as ``tenantguard``, and a pipe gets no colours."""
    done = subprocess.run(
        [sys.executable, "-m", "tenantguard", "observe", "report", "nowhere"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "\x1b" in done.stdout + done.stderr) == (2, False)
    assert done.stderr.startswith("cannot report: nothing was observed in nowhere; ")
