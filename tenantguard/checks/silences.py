"""Silences with a reason and an end date, and the baseline of earlier findings."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tenantguard.checks.catalogue import RULES, finding_of
from tenantguard.checks.finding import Finding
from tenantguard.checks.settings import Silence, day
from tenantguard.checks.source.syntax import SourceFile
from tenantguard.errors import ConfigurationError

# on the line, or on the one before: tenantguard: TG202 until 2027-01-31: the reason
_COMMENT = re.compile(
    r"#\s*tenantguard:\s*(?P<id>TG\d+)(?:\s+until\s+(?P<until>[\d-]+))?\s*:?\s*(?P<reason>.*)$"
)
VERSION = 1
SUMMARY = "tenantguard check accepts what is listed here; write a new one with --write-baseline"


@dataclass(frozen=True)
class Sorted:
    """Findings sorted into reported, silenced and accepted ones."""

    told: list[Finding]
    silenced: list[tuple[Finding, Silence]]
    accepted: list[Finding]


def comments(source: SourceFile, name: str) -> Iterable[Silence]:
    """Yield the silences in a source file.

    Args:
        source: the file.
        name: its name in findings.
    """
    for number, line in enumerate(source.lines, 1):
        found_here = _COMMENT.search(line)
        if found_here is not None:
            alone = line.strip().startswith("#")
            until = day(found_here["until"]) if found_here["until"] else None
            yield Silence(
                found_here["id"],
                "*",
                found_here["reason"].strip(),
                until,
                f"{name}:{number}",
                name,
                number + alone,
            )


def sort(
    findings: Iterable[Finding],
    silences: Collection[Silence],
    baseline: Collection[str],
    looked: Collection[str],
    today: date,
) -> Sorted:
    """Sort findings into those that are reported, silenced, and accepted by the baseline.

    Args:
        findings: the findings.
        silences: the silences.
        baseline: the accepted fingerprints.
        looked: the prefixes of the checked ids, such as ``TG1``; entries for others are not stale.
        today: the current date.
    """
    findings = list(findings)
    valid = [one for one in silences if not _faults(one) and one.until is not None and one.until >= today]
    told: list[Finding] = []
    silenced: list[tuple[Finding, Silence]] = []
    accepted: list[Finding] = []
    for finding in findings:
        silence = next((one for one in valid if _fits(one, finding)), None)
        if silence is not None:
            silenced.append((finding, silence))
        elif finding.fingerprint in baseline:
            accepted.append(finding)
        else:
            told.append(finding)
    told += [_own(one, today) for one in silences if _is_told(one, findings, looked, today)]
    return Sorted(sorted(told, key=lambda one: one.order), silenced, accepted)


def _faults(silence: Silence) -> list[str]:
    faults = [] if silence.id in RULES else [f"names no rule ({silence.id or 'no id'})"]
    if not silence.reason:
        faults.append("has no reason")
    if silence.until is None:
        faults.append("has no date (until YYYY-MM-DD)")
    return faults


def _fits(silence: Silence, finding: Finding) -> bool:
    if silence.id != finding.rule.id:
        return False
    if silence.file is not None:
        return (silence.file, silence.line) == (finding.file, finding.line)
    return fnmatchcase(finding.place, silence.place) or fnmatchcase(finding.file or "", silence.place)


def _is_told(silence: Silence, findings: Iterable[Finding], looked: Collection[str], today: date) -> bool:
    if _faults(silence) or (silence.until is not None and silence.until < today):
        return True
    return silence.id.startswith(tuple(looked)) and not any(_fits(silence, one) for one in findings)


def _own(silence: Silence, today: date) -> Finding:
    """Return the finding about a silence."""
    line = int(silence.where.rpartition(":")[2]) if silence.file else None
    place: dict[str, Any] = {"file": silence.file, "line": line}
    faults = _faults(silence)
    if faults:
        return finding_of("TG901", silence.where, f"the silence {' and '.join(faults)}", **place)
    if silence.until is not None and silence.until < today:
        return finding_of(
            "TG902", silence.where, f"the silence of {silence.id} held until {silence.until}", **place
        )
    at = "" if silence.place == "*" else f" at {silence.place}"
    return finding_of("TG903", silence.where, f"nothing has {silence.id}{at} any more", **place)


def read_baseline(path: Path) -> dict[str, str]:
    """Return the fingerprints in a baseline, with id and place.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        read = json.loads(path.read_text())
        if read["version"] != VERSION:
            raise ConfigurationError(
                f"{path} is of version {read['version']}; write a new one with --write-baseline"
            )
        return {str(mark): str(what) for mark, what in read["findings"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the baseline {path} cannot be read; write it with --write-baseline"
        ) from error


def write_baseline(path: Path, findings: Iterable[Finding]) -> None:
    """Write a baseline that accepts these findings, one per line in a stable order."""
    listed = {
        one.fingerprint: f"{one.rule.id} {one.place}" for one in sorted(findings, key=lambda one: one.order)
    }
    told = {"version": VERSION, "about": SUMMARY, "findings": listed}
    path.write_text(json.dumps(told, indent=2) + "\n")


def stale(
    baseline: dict[str, str], findings: Iterable[Finding], looked: Collection[str], name: str
) -> Iterable[Finding]:
    """Yield one note if the baseline accepts findings that no longer occur."""
    there = {one.fingerprint for one in findings}
    gone = [what for mark, what in baseline.items() if mark not in there and what.startswith(tuple(looked))]
    if gone:
        yield finding_of(
            "TG905",
            name,
            f"{len(gone)} finding(s) are gone: {', '.join(gone[:5])}{', ...' * (len(gone) > 5)}",
        )
