"""``tenantguard attack``: what it prints and writes, what it leaves alone, and what it says when it cannot start."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, inspect, make_url, select, text
from typer.testing import CliRunner, Result

from tenantguard.cli.app import app
from tenantguard.cli.html import page
from tenantguard.testing.attack import Report, chosen
from tenantguard.testing.vectors import VECTORS, Outcome
from tenantguard.testing.vectors import Result as Ended
from tests.servers import Database

Run = Callable[..., Result]
numbers = itertools.count()

MODELS = """
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB
from tenantguard import Tenancy

metadata = MetaData()
Table("folders", metadata, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False),
      Column("name", String(40), nullable=False))
Table("papers", metadata, Column("id", Integer, primary_key=True),
      Column("folder_id", ForeignKey("folders.id"), nullable=False), Column("title", String(40)))
tenancy = Tenancy(metadata, column="firm", through={"papers": "folder_id"})

coded = MetaData()
Table("codes", coded, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False),
      Column("code", String(9), CheckConstraint("code LIKE 'x-%'"), nullable=False))
codes = Tenancy(coded, column="firm")
values = {"codes.code": lambda tenant, n: f"x-{n}"}
samples = {"codes.code": ["x-1", "x-2"]}

import logging
logging.basicConfig(level=logging.DEBUG)
print("the application begins")


def engine(url):
    from sqlalchemy import create_engine
    from tenantguard import guard
    return guard(create_engine(url, echo=True), tenancy, raw_sql="rewrite")
wrong_values = {"codes.code": "x"}

schemas = MetaData()
Table("bills", schemas, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False),
      schema="billing")
billing = Tenancy(schemas, column="firm")

documents = MetaData()
Table("documents", documents, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False),
      Column("body", JSONB, nullable=False), Column("span", INT4RANGE, nullable=False))
postgresql_only = Tenancy(documents, column="firm")

with_numbers = MetaData()
Table("bills", with_numbers, Column("id", Integer, primary_key=True), Column("firm", Integer, nullable=False))
numbered = Tenancy(with_numbers, column="firm")

nothing = Tenancy(MetaData(), column="firm")

faulty = MetaData()
Table("owned", faulty, Column("id", Integer, primary_key=True), Column("firm", String(20), nullable=False))
Table("first", faulty, Column("id", Integer, primary_key=True))
Table("second", faulty, Column("id", Integer, primary_key=True))
unplaced = Tenancy(faulty, column="firm")
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module of models in the current directory."""
    name = f"attacked_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def some_of(group: str) -> tuple[str, ...]:
    """Return the options that name every tenth vector of a group."""
    return tuple(word for vector in chosen((group,))[::10] for word in ("--name", vector.name))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs the command as it is written in a shell."""
    monkeypatch.setenv("COLUMNS", "200")

    def attack(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["attack", *arguments])

    return attack


def test_the_matrix_says_how_each_group_ended(run: Run, models: str) -> None:
    """A row per group, a column per outcome, the verdict in words and in the exit code."""
    done = run(f"{models}:tenancy", "--group", "pool", "--group", "legitimate")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "attack vectors on sqlite" in done.output
    assert all(outcome in next(line for line in lines if "group" in line) for outcome in Outcome)
    rule = next(number for number, line in enumerate(lines) if "───" in line)
    assert [line.split()[0] for line in lines[rule + 1 : rule + 3]] == ["pool", "legitimate"]
    assert re.fullmatch(r"The guard holds: \d+ ran, nothing leaked and nothing broke\.", lines[-1])
    assert "SQLAlchemy 2." in lines[-2]


def test_without_the_guard_it_fails(run: Run, models: str) -> None:
    """What leaked is named with what it tried and what it learned, and the exit code is 1."""
    done = run(f"{models}:tenancy", "--group", "pool", "--unguarded")
    assert done.exit_code == 1
    assert "leaked async_stream: Stream rows on an asynchronous connection." in done.output
    assert done.output.splitlines()[-1].startswith("No guard is installed on the engine, and ")


def test_a_name_runs_one_vector(run: Run, models: str) -> None:
    """Names and groups add up."""
    done = run(f"{models}:tenancy", "--name", "count_rows", "--name", "async_stream")
    assert "The guard holds: 2 ran, nothing leaked and nothing broke." in done.output


def test_a_run_in_which_nothing_fits_fails(run: Run, models: str) -> None:
    """It proves nothing, so it says so, and does not exit as a run that held."""
    done = run(f"{models}:numbered", "--name", "update_own")
    assert done.output.splitlines()[-1] == (
        "Nothing was attacked: no vector fits the schema. Nothing is known about the guard."
    )
    assert done.exit_code == 2


def test_the_application_keeps_silent(run: Run, models: str) -> None:
    """What it logs and prints while it is loaded and attacked is no part of the report."""
    done = run(f"{models}:tenancy", "--group", "cache", "--engine", f"{models}:engine")
    assert done.exit_code == 0, done.output
    assert [word for word in ("INFO", "DEBUG", "SELECT", "begins") if word in done.output] == []


def test_the_application_s_engine_is_attacked(run: Run, models: str, tmp_path: Path) -> None:
    """Its factory makes the engines, under the guard that it installs itself."""
    out = tmp_path / "out.json"
    run(f"{models}:tenancy", "--name", "text_select", "--engine", f"{models}:engine", "--json", str(out))
    assert json.loads(out.read_text())["results"][0]["outcome"] == "held"


def test_the_tenants_are_those_of_the_user(run: Run, models: str) -> None:
    """Two ids are given, in the type of the tenant column."""
    assert run(f"{models}:numbered", "--group", "cache", "--tenant", "7", "--tenant", "9").exit_code == 0


def test_the_built_in_models_are_attacked_where_none_are_named(run: Run) -> None:
    """The command shows itself without any set-up."""
    assert run("--group", "cache").exit_code == 0


def test_the_list_runs_nothing(run: Run) -> None:
    """Each vector with its group and what it tries."""
    done = run("--list", "--group", "cache")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].endswith(" in all")
    assert "attack vectors on" not in done.output


def test_json_holds_everything(run: Run, models: str, tmp_path: Path) -> None:
    """The counts of the matrix, and every result with its detail."""
    done = run(f"{models}:tenancy", "--group", "pool", "--unguarded", "--json", str(tmp_path / "out.json"))
    told = json.loads((tmp_path / "out.json").read_text())
    assert done.exit_code == 1
    assert (told["dialect"], told["passed"], told["empty"]) == ("sqlite", False, {})
    assert sum(told["counts"]["pool"].values()) == len(told["results"])
    assert {"name", "group", "tries", "outcome", "detail", "tables"} == set(told["results"][0])
    assert (told["guarded"], set(told["attacked"])) == (False, {"folders", "papers"})
    assert told["versions"]["tenantguard"]


class Page(HTMLParser):
    """Read a page: which elements it has, and whether each that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = 0
        self.fetched: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element's beginning."""
        self.fetched += [value for name, value in attrs if name in ("src", "href")]
        self.rows += tag == "tr"
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Take an element's end."""
        assert self.open.pop() == tag


def test_html_is_one_page_that_fetches_nothing(run: Run, models: str, tmp_path: Path) -> None:
    """Well-formed: the findings first, then a row per group, per table and per vector."""
    run(f"{models}:tenancy", "--group", "pool", "--unguarded", "--html", str(tmp_path / "out.html"))
    text = (tmp_path / "out.html").read_text()
    found = Page(text)
    vectors = sum(vector.group == "pool" for vector in VECTORS)
    heads, groups, tables = 3, 1, 2
    assert (found.open, found.fetched, found.rows) == ([], [], vectors + heads + groups + tables)
    assert "No guard is installed on the engine, and " in text
    assert text.index('class="leaked">leaked<') < text.index("By group") < text.index("By table")


def test_html_escapes_what_comes_from_outside() -> None:
    """A detail holds what an attack read, which may be anything."""
    (vector, *_) = VECTORS
    report = Report("sqlite", [Ended(vector, Outcome.LEAKED, "<script>alert(1)</script>")], {"<t>": "<b>"})
    assert "<script>alert" not in page(report)
    assert "&lt;script&gt;" in page(report)
    assert "<t>" not in page(report)


def test_every_fault_of_the_tenancy_is_listed(run: Run, models: str) -> None:
    """Whoever sets it up learns all of them at once, a line each."""
    done = run(f"{models}:unplaced", "--group", "cache")
    assert done.exit_code == 2
    assert "cannot attack: ConfigurationError: the tenancy cannot be enforced, 2 fault(s):" in done.output
    assert "first" in done.output
    assert "second" in done.output


def test_values_are_given_for_what_cannot_be_guessed(run: Run, models: str) -> None:
    """A check constraint that the kit's own values break is told; with values of the user's it runs."""
    refused = run(f"{models}:codes", "--group", "cache")
    assert refused.exit_code == 2
    assert "Give values for codes.code" in " ".join(refused.output.split())
    assert run(f"{models}:codes", "--group", "cache", "--samples", f"{models}:samples").exit_code == 0
    assert run(f"{models}:codes", "--group", "cache", "--values", f"{models}:values").exit_code == 0


@pytest.mark.parametrize("mode", ["refuse", "rewrite"])
def test_sql_text_has_its_modes(run: Run, models: str, mode: str, tmp_path: Path) -> None:
    """Text is refused or rewritten, and holds in both."""
    out = tmp_path / "out.json"
    done = run(f"{models}:tenancy", "--group", "raw SQL", "--raw-sql", mode, "--json", str(out))
    found = {r["name"]: r["outcome"] for r in json.loads(out.read_text())["results"]}
    assert done.exit_code == 0
    assert found["text_select"] == {"refuse": "refused", "rewrite": "held"}[mode]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere:tenancy",), "no module named 'nowhere'"),
        (("{}:nothing_there",), "has no 'nothing_there'"),
        (("broken:tenancy",), "broken does not import: ZeroDivisionError: division by zero"),
        (("lacking:tenancy",), "lacking does not import: ModuleNotFoundError: No module named 'nowhere'"),
        (("{}",), "write module:attribute"),
        (("{}:metadata",), "is a MetaData, not a Tenancy"),
        (("{}:nothing",), "no owned table, so there is nothing to attack"),
        (("{}:postgresql_only",), "for another database, name it with --url"),
        (("{}:tenancy", "--url", ":::"), "the URL cannot be read"),
        (("{}:tenancy", "--url", "oracle://x"), "use SQLite, PostgreSQL or MariaDB"),
        (("{}:tenancy", "--url", "mysql+nodriver://x"), "cannot be read"),
        (("{}:tenancy", "--url", "mysql+mysqldb://x/y"), "driver is not installed: MySQLdb"),
        (("{}:tenancy", "--url", "postgresql+psycopg://ada:secret@127.0.0.1:1/x"), "Connection refused"),
        (("{}:tenancy", "--url", "mysql+pymysql://ada:secret@127.0.0.1:1/x"), "connect to MySQL server"),
        (("--group", "nothing"), "there is no 'nothing'"),
        (("--name", "nothing"), "there is no 'nothing'"),
        (("--json", "/nowhere/out.json"), "cannot be written"),
        (("--html", "/"), "cannot be written"),
        (("--raw-sql", "anything"), "'anything' is not one of 'refuse', 'rewrite'"),
        (("--values", "{}:wrong_values"), "not a dictionary of functions or lists by column"),
        (("{}:tenancy", "--engine", "{}:values"), "is not a function that takes a URL"),
        (("{}:tenancy", "--tenant", "acme"), "pass --tenant twice"),
        (("{}:numbered", "--tenant", "acme", "--tenant", "globex"), "ids have the type int"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(
    run: Run, models: str, arguments: tuple[str, ...], told: str
) -> None:
    """Exit code 2, no traceback, and no password of the URL."""
    Path("broken.py").write_text("1 / 0\n")
    Path("lacking.py").write_text("import nowhere\n")
    done = run(*(argument.format(models) for argument in arguments))
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())
    assert "secret" not in done.output
    assert isinstance(done.exception, SystemExit)


def _contents(engine: Engine) -> dict[str, list[str]]:
    metadata = MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
        return {t.name: [str(row) for row in connection.execute(select(t))] for t in metadata.sorted_tables}


def _databases(engine: Engine) -> list[str]:
    """Return the databases of a server whose names the kit gives."""
    names = "SELECT datname FROM pg_database" if engine.dialect.name == "postgresql" else "SHOW DATABASES"
    with engine.connect() as connection:
        return [name for (name,) in connection.execute(text(names)) if name.startswith("tenantguard_attack")]


@pytest.mark.parametrize("unguarded", [(), ("--unguarded",)])
def test_what_is_in_the_database_is_left_alone(
    run: Run, models: str, database: Database, unguarded: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of the same names, full of rows, are as they were, and the kit's own database is gone."""
    mine = f"of_this_test_{secrets.token_hex(4)}"  # the kit of another test may be at work on the same server
    monkeypatch.setattr("tenantguard.testing.vectors.copies.secrets.token_hex", lambda _bytes: mine)
    engine = database.create_engine()
    namespace: dict[str, MetaData] = {}
    exec(MODELS, namespace)
    namespace["metadata"].create_all(engine)
    with engine.begin() as connection:
        for n, firm in enumerate(("acme", "globex"), 1):
            connection.execute(text(f"INSERT INTO folders VALUES ({n}, '{firm}', 'kept')"))
            connection.execute(text(f"INSERT INTO papers VALUES ({n}, {n}, 'kept')"))
    before = _contents(engine)
    done = run(f"{models}:tenancy", "--url", database.url, *some_of("writes"), *unguarded)
    assert done.exit_code == (1 if unguarded else 0), done.output
    assert _contents(engine) == before
    assert database.backend == "sqlite" or f"tenantguard_attack_{mine}" not in _databases(engine)


def test_tables_with_a_schema_stay_in_the_kits_own_database(
    run: Run, models: str, database: Database
) -> None:
    """On MariaDB a schema is somebody's database: refused. Elsewhere the schema is made in the copy."""
    done = run(f"{models}:billing", "--url", database.url, *some_of("reads"))
    if database.backend == "mariadb":
        assert done.exit_code == 2
        assert "the attack kit touches only the one it made" in " ".join(done.output.split())
    else:
        assert done.exit_code == 0, done.output
    engine = database.create_engine()
    assert "billing" not in inspect(engine).get_schema_names()


def test_a_table_without_rows_is_told(run: Run, models: str, postgresql_database: Database) -> None:
    """A type that the kit has no value for is named, with the way to give one: nothing was attacked there."""
    done = run(f"{models}:postgresql_only", "--url", postgresql_database.url, "--group", "cache")
    told = " ".join(done.output.split())
    assert done.exit_code == 2, done.output
    assert "no rows could be made for documents: documents.span has the type INT4RANGE()" in told
    assert "give --values" in told


def test_a_user_who_may_make_no_database_is_told(
    run: Run, models: str, postgresql_database: Database
) -> None:
    """The database's own words, in one sentence."""
    engine = postgresql_database.create_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE attack_nobody LOGIN PASSWORD 'secret'"))
    try:
        url = make_url(postgresql_database.url).set(username="attack_nobody", password="secret")
        done = run(f"{models}:tenancy", "--url", url.render_as_string(hide_password=False))
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE attack_nobody"))
    assert done.exit_code == 2
    assert "permission denied to create database" in " ".join(done.output.split())
    assert "secret" not in done.output


def test_help_names_every_option(run: Run) -> None:
    """``--help`` is enough to begin with."""
    done = run("--help")
    options = (
        "url",
        "group",
        "name",
        "raw-sql",
        "values",
        "samples",
        "tenant",
        "engine",
        "every-table",
        "unguarded",
        "list",
        "json",
        "html",
    )
    assert [option for option in options if f"--{option}" not in done.output] == []
    assert done.exit_code == 0


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_one_sentence(missing: str) -> None:
    """It names what to install."""
    code = f"import sys; sys.modules[{missing!r}] = None; from tenantguard.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"the command line needs {missing}; install the extra: pip install 'tenantguard[cli]'\n"
    )


def test_the_command_is_installed() -> None:
    """The script and its progress run outside of this process."""
    script = Path(sys.executable).with_name("tenantguard")
    done = subprocess.run(
        [script, "attack", "--name", "count_rows"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "The guard holds: 1 ran, nothing leaked and nothing broke." in done.stdout
