"""``tenantguard check``: what it prints and writes, its exit status, silences, baselines, and bad input."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from scripts.rules_page import PAGE, listed
from tenantguard.checks.catalogue import RULES
from tenantguard.cli.app import app
from tests.checks import __file__ as here

Run = Callable[..., Result]
APP = """
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, create_engine
from tenantguard import Tenancy
metadata = MetaData()
Table("users", metadata, Column("id", Integer, primary_key=True), Column("firm", String(9), nullable=False, index=True),
      Column("email", String(9), unique=True))
tenancy = Tenancy(metadata, column="firm")
clean = Tenancy(MetaData(), column="firm")
nothing = 1
owner = create_engine("sqlite://")
"""
SCHEMA = json.loads((Path(here).parent / "sarif-2.1.0.json").read_text())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return what runs the command in a directory with an application of its own name."""
    name = f"checked_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def invoke(*words: str, target: str | None = "tenancy") -> Result:
        named = [] if target is None else [f"{name}:{target}"]
        return CliRunner().invoke(app, ["check", *named, *words])

    yield invoke
    sys.modules.pop(name, None)


def _ids(result: Result) -> list[str]:
    return re.findall(r"^(TG\d+)", result.stdout, re.MULTILINE)


def _settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.tenantguard]\n{text}")


def test_findings_are_printed_and_fail(run: Run) -> None:
    """A row each, the worst first, and exit status 1."""
    result = run()
    assert (_ids(result), result.exit_code) == (["TG201", "TG106"], 1)
    assert "1 error, 1 warning; looked at: models, source" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(("fail_on", "status"), [("error", 0), ("warning", 1), ("never", 0)])
def test_the_least_severity_is_chosen(run: Run, fail_on: str, status: int) -> None:
    """What is below it is told and does not fail."""
    result = run("--no-source", "--fail-on", fail_on)
    assert (_ids(result), result.exit_code) == (["TG106"], status)


def test_every_output_holds_the_findings(run: Run, tmp_path: Path) -> None:
    """JSON, SARIF as its schema asks, a page, and annotations."""
    result = run("--json", "r.json", "--sarif", "r.sarif", "--html", "r.html", "--github")
    rows = json.loads((tmp_path / "r.json").read_text())["findings"]
    assert [row["id"] for row in rows] == ["TG201", "TG106"]
    document = json.loads((tmp_path / "r.sarif").read_text())
    jsonschema.Draft4Validator(SCHEMA).validate(document)
    assert [one["ruleId"] for one in document["runs"][0]["results"]] == ["TG201", "TG106"]
    page = (tmp_path / "r.html").read_text()
    assert all(id_ in page for id_ in ("TG201", "TG106"))
    assert re.search(r"^::error file=checked_\w+\.py,line=10,title=TG201 engine-unguarded::", result.stdout)


def test_json_on_standard_output_is_json_alone(run: Run) -> None:
    """Nothing else is printed with it, so that it can be piped."""
    assert len(json.loads(run("--json", "-").stdout)["findings"]) == 2


def test_a_silence_needs_reason_and_date(run: Run, tmp_path: Path) -> None:
    """With both it holds, in the settings and at a line; without, it is a finding and hides nothing."""
    (source,) = tmp_path.glob("checked_*.py")
    _settings(tmp_path, '[[tool.tenantguard.silence]]\nid = "TG106"\nreason = "known"\nuntil = 2999-01-01\n')
    source.write_text(
        APP.replace('"sqlite://")', '"sqlite://")  # tenantguard: TG201 until 2999-01-01: owner')
    )
    result = run("--sarif", "r.sarif")
    assert (_ids(result), result.exit_code) == ([], 0)
    assert "2 silenced" in result.stdout
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads((tmp_path / "r.sarif").read_text()))
    _settings(tmp_path, '[[tool.tenantguard.silence]]\nid = "TG106"\n')
    assert _ids(run()) == ["TG901", "TG106"]


@pytest.mark.parametrize(
    ("silence", "ids"),
    [
        ('id = "TG106"\nreason = "x"\nuntil = 2020-01-01', ["TG902", "TG106"]),
        ('id = "TG105"\nreason = "x"\nuntil = 2999-01-01', ["TG106", "TG903"]),
        ('id = "TG106"\nplace = "calls*"\nreason = "x"\nuntil = 2999-01-01', ["TG106", "TG903"]),
        ('id = "TG301"\nreason = "x"\nuntil = 2999-01-01', ["TG106"]),  # no database was looked at
        ('id = "TG999"\nreason = "x"\nuntil = 2999-01-01', ["TG901", "TG106"]),
    ],
)
def test_a_silence_that_does_not_hold_is_found(
    run: Run, tmp_path: Path, silence: str, ids: list[str]
) -> None:
    """One that has passed, one that applies to nothing, one of no rule."""
    _settings(tmp_path, f"[[tool.tenantguard.silence]]\n{silence}\n")
    assert sorted(_ids(run("--no-source"))) == sorted(ids)


def test_a_baseline_accepts_what_was_there(run: Run, tmp_path: Path) -> None:
    """What is new fails, though lines have moved; what is gone is noted."""
    assert run("--write-baseline", "--baseline", "b.json").exit_code == 0
    (source,) = tmp_path.glob("checked_*.py")
    source.write_text(f"# a line\n{APP}other = create_engine('sqlite://')\n")
    result = run("--baseline", "b.json")
    assert (_ids(result), result.exit_code) == (["TG201"], 1)
    assert "2 accepted by the baseline" in result.stdout
    source.write_text("")
    gone = run("--baseline", "b.json")
    assert (_ids(gone), gone.exit_code) == (["TG905"], 0)


def test_a_database_is_compared(run: Run, tmp_path: Path) -> None:
    """What it lacks and what no model knows is told."""
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE stray (id int)")
    connection.close()
    assert _ids(run("--no-source", "--url", f"sqlite:///{tmp_path}/a.db")) == ["TG106", "TG303", "TG304"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.at.all:tenancy"], "no module named 'nowhere.at.all'"),
        (["{app}:nothing"], "is an int, not a Tenancy"),
        (["{app}:missing"], "has no 'missing'"),
        (["{app}"], "names nothing; write module:attribute"),
        ([], "name the Tenancy"),
        (["broken:tenancy"], "broken does not import: ZeroDivisionError: division by zero"),
        (["leaving:tenancy"], "leaving does not import: SystemExit: 0"),
        (["{app}:tenancy", "--url", "nonsense"], "the URL cannot be read"),
        (["{app}:tenancy", "--url", "postgresql://host:port/x"], "the URL cannot be read"),
        (["{app}:tenancy", "--url", "sqlite:///none.db"], "there is no database file none.db"),
        (["{app}:tenancy", "--url", "postgresql+psycopg://u:hidden@127.0.0.1:1/x"], "cannot connect"),
        (["{app}:tenancy", "--url", "oracle+nodriver://x"], "cannot be used"),
        (["{app}:tenancy", "--source", "nowhere"], "there is no source at nowhere"),
        (["{app}:tenancy", "--baseline", "none.json"], "the baseline none.json cannot be read"),
        (["{app}:tenancy", "--maintenance-role", "m"], "pass --role"),
        (["{app}:tenancy", "--json", "-", "--sarif", "-"], "cannot share standard output"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    """No traceback, no password, exit status 2."""
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    (source,) = tmp_path.glob("checked_*.py")
    result = run(*[word.replace("{app}", source.stem) for word in words], target=None)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert "hidden" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1\n", "'colour' is not a setting"),
        ("source = 'app'\n", "source is a list"),
        ("fail_on = 'x'\n", "fail_on is one of error, warning, note, never"),
        ("a = = 1", "cannot be read"),
    ],
)
def test_settings_that_are_none_are_one_sentence(run: Run, tmp_path: Path, text: str, said: str) -> None:
    """A misspelt setting is not silently ignored."""
    _settings(tmp_path, text)
    result = run()
    assert (result.exit_code, said in " ".join(result.output.split())) == (2, True)


def test_debug_shows_the_traceback(run: Run, tmp_path: Path) -> None:
    """Where it was asked for."""
    (tmp_path / "broken_too.py").write_text("1 / 0\n")
    assert "Traceback" in run("broken_too:tenancy", "--debug", target=None).output


def test_every_finding_is_documented() -> None:
    """The page has what the catalogue has, and `help` shows the same offline."""
    assert listed() in PAGE.read_text(), "run `make findings`"
    for id_, rule in RULES.items():
        result = CliRunner().invoke(app, ["help", id_.lower()])
        assert (result.exit_code, rule.name in result.stdout, id_ == rule.id) == (0, True, True)
    assert CliRunner().invoke(app, ["help", "TG000"]).exit_code == 2


def test_the_module_runs_as_a_program() -> None:
    """``python -m tenantguard`` is the command line."""
    command = [sys.executable, "-m", "tenantguard", "help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert all(id_ in done.stdout for id_ in RULES)
