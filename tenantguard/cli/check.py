"""``tenantguard check``: findings in models, source and a live database."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tenantguard.checks.approved.contents import make_lock
from tenantguard.checks.approved.differences import findings_of, uncompared
from tenantguard.checks.approved.lock import read_lock
from tenantguard.checks.finding import SEVERITIES, Finding
from tenantguard.checks.options import Asked, Found
from tenantguard.checks.settings import Settings, read_settings
from tenantguard.checks.silences import Sorted, read_baseline, sort, stale, write_baseline
from tenantguard.cli.check_page import page
from tenantguard.cli.github import workflow_commands
from tenantguard.cli.options import DebugOption, TenancyArgument, asked_of, lock_path
from tenantguard.cli.progress import steps
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sarif import sarif
from tenantguard.cli.sentences import explained
from tenantguard.cli.table import print_findings
from tenantguard.cli.targets import writable
from tenantguard.errors import ConfigurationError


class FailOn(StrEnum):
    """The lowest severity that fails the command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    NEVER = "never"


def check(
    tenancy: TenancyArgument = None,
    url: Annotated[
        str | None,
        typer.Option(envvar="TENANTGUARD_URL", help="also inspect this database; nothing is changed"),
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(help="a source directory; repeatable. Default: the package of the Tenancy"),
    ] = None,
    no_source: Annotated[bool, typer.Option("--no-source", help="read no source")] = False,
    exclude: Annotated[list[str] | None, typer.Option(help="skip these files, such as app/vendor/*")] = None,
    role: Annotated[str | None, typer.Option(help="PostgreSQL: the role of the application")] = None,
    maintenance_role: Annotated[str | None, typer.Option(help="PostgreSQL: the role of bypasses")] = None,
    owner_role: Annotated[str | None, typer.Option(help="PostgreSQL: the role that owns the tables")] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="list the rows that cross tenants, by their keys")
    ] = False,
    locked: Annotated[
        bool, typer.Option("--locked", help="fail if the code or the database differs from tenancy.lock")
    ] = False,
    lock: Annotated[Path | None, typer.Option(help="the lock file; default: tenancy.lock")] = None,
    baseline: Annotated[Path | None, typer.Option(help="accept the findings that this file lists")] = None,
    write: Annotated[
        bool, typer.Option("--write-baseline", help="write all findings to the baseline, and pass")
    ] = False,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="the lowest severity that gives exit status 1; default: warning")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", help="write JSON to a file; - is standard output")
    ] = None,
    sarif_: Annotated[
        Path | None, typer.Option("--sarif", help="write SARIF 2.1.0 to a file; - is standard output")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write an HTML page to a file", callback=writable)] = None,
    github: Annotated[bool, typer.Option("--github", help="print annotations for GitHub Actions")] = False,
    debug: DebugOption = False,
) -> None:
    """Check models, source and a live database, and print every finding.

    Exit status: 0 no finding of the severity or above, 1 findings, 2 the check could not run. `tenantguard help TG104`
    explains a finding. Settings are read from tool.tenantguard in pyproject.toml; the command line overrides them.
    """
    from tenantguard.checks.run import run  # Alembic and sqlglot: no other command waits for them

    with explained("check", debug=debug):
        settings = read_settings(Path.cwd())
        with quiet():
            asked = asked_of(
                settings, tenancy, url=url, source=source, no_source=no_source, exclude=exclude, role=role,
                maintenance_role=maintenance_role, owner_role=owner_role, keys=keys,
            )  # fmt: skip
        outputs = _Outputs(json_, sarif_, html, github)
        with steps() as step, quiet():
            result = run(asked, step)
            if locked:
                result = _with_lock(asked, result, settings, lock)
        accepted = _baseline(settings, baseline, write=write)
        told = _sorted(result, settings, accepted)
        if write:
            _write(settings, baseline, told)
            return
        outputs.give(told, result)
    raise typer.Exit(_status(told.told, settings, fail_on))


class _Outputs:
    """The destinations of the findings."""

    def __init__(self, json_: Path | None, sarif_: Path | None, html: Path | None, github: bool) -> None:
        self._files = {"json": json_, "sarif": sarif_}
        self._html, self._github = html, github
        if str(json_) == str(sarif_) == "-":
            raise ConfigurationError(
                "--json - and --sarif - cannot share standard output; write one to a file"
            )
        for path in self._files.values():
            if path is not None and str(path) != "-":
                writable(path)

    def give(self, told: Sorted, result: Found) -> None:
        """Write every requested output; print the table if none of them uses standard output."""
        documents: dict[str, Any] = {"json": _document(told), "sarif": sarif(told)}
        printed = False
        for name, path in self._files.items():
            if path is not None:
                text = json.dumps(documents[name], indent=2) + "\n"
                printed |= str(path) == "-"
                sys.stdout.write(text) if str(path) == "-" else path.write_text(text)
        if self._html is not None:
            self._html.write_text(page(told))
        if self._github:
            sys.stdout.write(workflow_commands(told.told))
        elif not printed:
            print_findings(Console(file=sys.stdout, highlight=False), told, sorted(result.looked))


def _document(told: Sorted) -> dict[str, Any]:
    return {
        "version": 1,
        "findings": [one.as_dict() for one in told.told],
        "silenced": [
            {**one.as_dict(), "reason": silence.reason, "until": str(silence.until), "said": silence.where}
            for one, silence in told.silenced
        ],
        "accepted": [one.as_dict() for one in told.accepted],
    }


def _sorted(result: Found, settings: Settings, accepted: dict[str, str]) -> Sorted:
    silences = [*settings.silences, *result.silences]
    told = sort(result.findings, silences, accepted, result.looked, datetime.now(UTC).date())
    gone = list(stale(accepted, result.findings, result.looked, "the baseline"))
    return Sorted(sorted([*told.told, *gone], key=lambda one: one.order), told.silenced, told.accepted)


def _baseline(settings: Settings, given: Path | None, *, write: bool) -> dict[str, str]:
    path = _baseline_path(settings, given)
    return {} if path is None or write else read_baseline(path)


def _baseline_path(settings: Settings, given: Path | None) -> Path | None:
    named = settings.get("baseline", given)
    return None if named is None else Path(named)


def _write(settings: Settings, given: Path | None, told: Sorted) -> None:
    path = _baseline_path(settings, given) or Path("tenantguard-baseline.json")
    kept = [one for one in told.told if not one.rule.id.startswith("TG9")]
    writable(path)
    write_baseline(path, kept)
    Console(highlight=False).print(f"{path} accepts {len(kept)} finding(s)", markup=False)


def _with_lock(asked: Asked, result: Found, settings: Settings, given: Path | None) -> Found:
    """Add the differences from the lock."""
    approved, now = read_lock(lock_path(settings, given)), make_lock(asked)
    result.findings += [*findings_of(approved, now), *uncompared(approved, now)]
    result.looked.add("TG5")
    return result


def _status(findings: list[Finding], settings: Settings, fail_on: FailOn | None) -> int:
    least = str(settings.get("fail_on", fail_on and fail_on.value) or "warning")
    if least == "never":
        return 0
    failing = SEVERITIES[: SEVERITIES.index(least) + 1]
    return int(any(one.severity in failing for one in findings))
