"""Observations, most dangerous first, each with the line to change and what to write there."""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tenantguard.sql.observe import Record


class Danger(StrEnum):
    """What the guard would change for a place, the worst first."""

    LEAKS = "reaches other companies"
    REFUSED = "would be refused"
    UNBOUND = "no tenant bound"
    UNKNOWN = "not compared"
    ALIKE = "works the same"


_ORDER = list(Danger)
_HARMLESS = (Danger.UNKNOWN, Danger.ALIKE)  # as far as anybody knows
_BYPASS = '`with bypass(reason="..."):`'
_RAW = 'write it with SQLAlchemy\'s constructs; or guard(..., raw_sql="rewrite"), which reads SQL text'
_UNCOMPARED = (
    'let the application run on, or observe its tests with Observing(compare="inline"); read what locks rows, '
    "stores what a subquery gives, or is SQL text yourself, since it is never compared"
)
# by the kind of the refusal; what is not here says it in the refusal itself
_REMEDIES = {
    "raw_sql": _RAW,
    "raw_sql_fragment": f"write the fragment with SQLAlchemy's constructs, or run the statement inside {_BYPASS}",
    "raw_connection": f"use the engine's own connections, or run it inside {_BYPASS}",
    "ddl": f"run schema changes before the application serves requests, or inside {_BYPASS}",
    "shared_write": f"write such rows inside {_BYPASS}, or declare in the Tenancy what the refusal names",
    "unknown_table": "place the table in Tenancy(...); tenantguard init proposes how",
    "tenant_switch": "use a session for each tenant: close it, or expunge_all() after the transaction, before the next",
    "permission": "give the principal the permission, or require none for this table",
}


@dataclass(frozen=True)
class Observation:
    """One place in the application, and what to do there.

    Attributes:
        danger: what the guard would change.
        record: the observation.
        said: a sentence about what would happen.
        file: the file to change.
        line: the line in it.
        function: the function that it stands in.
        source: the current line; empty if the file is not available.
        remedy: what to write instead.
        began: where the work began that came there, if that is another line; a bypass may belong there.
    """

    danger: Danger
    record: Record
    said: str
    file: str
    line: int
    function: str
    source: str
    remedy: str
    began: str = ""

    @property
    def change(self) -> tuple[object, ...]:
        """Return what is equal for observations that the same change at the same line settles."""
        line = None if self.danger is Danger.UNBOUND else self.line  # binding settles the whole function
        return self.danger, self.file, line, self.function, self.remedy, self.began


def observations(records: Iterable[Record], root: Path | None = None) -> list[Observation]:
    """Return the observations, the most dangerous and most frequent first.

    Args:
        records: one record per place and statement.
        root: the directory to which file names are relative.
    """
    made = [_observation(record, root or Path.cwd()) for record in records]
    return sorted(
        made,
        key=lambda one: (
            _ORDER.index(one.danger),
            _weight(one.record),
            one.file,
            one.line,
            one.record.fingerprint,
        ),
    )


def by_change(found: Iterable[Observation]) -> list[list[Observation]]:
    """Return observations in groups that the same change at the same line settles, the most dangerous first."""
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for one in found:
        groups.setdefault(one.change, []).append(one)
    return list(groups.values())


def unbound_everywhere(found: Iterable[Observation]) -> str:
    """Return what to do first where no tenant was ever bound, and nothing otherwise."""
    records = [one.record for one in found if one.record.changes]
    if not records or any(record.unbound < record.seen for record in records):
        return ""
    return (
        'no tenant was bound anywhere: add TenantMiddleware(..., optional=["/..."]), which asks no request for a token '
        "yet, delete these observations (tenantguard observe clear), and run the application or its tests again"
    )


def _weight(record: Record) -> tuple[int, int]:
    changes = record.verb in ("insert", "update", "delete")
    return -(record.differed + record.foreign) * (2 if changes else 1), -record.seen


def _observation(record: Record, root: Path) -> Observation:
    if record.differed or record.foreign:
        return _leaking(record, root)
    if record.refused:
        why = record.refusal or "it would be refused"
        remedy = remedy_of(record.kind, why)
        said = "; ".join([why, *_times_unbound(record)])
        return _at(Danger.REFUSED, record, root, said, remedy)
    if record.unbound:
        return _unbound(record, root)
    if record.depends and not record.compared:
        said = f"{_changes(record)}, and no execution was compared"
        return _at(Danger.UNKNOWN, record, root, said, _UNCOMPARED)
    return _at(Danger.ALIKE, record, root, _changes(record), "nothing")


def remedy_of(kind: str | None, refusal: str) -> str:
    """Return the remedy for a refusal: by its kind, or the last sentence of its message."""
    return _REMEDIES.get(kind or "") or refusal.rpartition(". ")[2] or refusal


def _leaking(record: Record, root: Path) -> Observation:
    said = [record.told] if record.differed and record.told else []
    if record.foreign:
        said.append(f"{record.foreign} of {record.seen} times it wrote another company's id")
    said += _times_unbound(record)
    tables = ", ".join(record.tables)
    if record.verb == "select":
        remedy = f"nothing, if it is for one company: the guard filters it. Otherwise run it inside {_BYPASS}"
    elif record.foreign:
        remedy = (
            f"write the company's own id, which the guard also fills in; otherwise run it inside {_BYPASS}"
        )
    elif "names a row" in (record.told or ""):
        remedy = f"let the key name a row of the company's own; otherwise run it inside {_BYPASS}"
    else:
        remedy = f"nothing, if it is for the company's rows of {tables}; otherwise run it inside {_BYPASS}"
    return _at(Danger.LEAKS, record, root, "; ".join(said), remedy)


def _unbound(record: Record, root: Path) -> Observation:
    """Return where to bind: where the work begins, not where the statement is."""
    file, line, function = _entry(record)
    said = ", and ".join([_changes(record), *_times_unbound(record)])
    remedy = (
        f"bind the tenant where the work begins, in {function}: TenantMiddleware for requests, with bind(tenant): or "
        f"carry(...) for jobs and threads; work for no company goes into {_BYPASS}"
    )
    shown = _source(file, line)
    return Observation(Danger.UNBOUND, record, said, _short(file, root), line, function, shown, remedy)


def _at(danger: Danger, record: Record, root: Path, said: str, remedy: str) -> Observation:
    file = _short(record.file, root)
    shown = _source(record.file, record.line)
    began, line, function = _entry(record)
    is_elsewhere = danger not in _HARMLESS and (began, line) != (record.file, record.line)
    where = f"{_short(began, root)}:{line} in {function}" if is_elsewhere else ""
    return Observation(danger, record, said, file, record.line, record.function, shown, remedy, where)


def _entry(record: Record) -> tuple[str, int, str]:
    """Return file, line and function where the work began."""
    place, _, function = record.entry.rpartition(" ")
    file, _, number = place.rpartition(":")
    return file, int(number) if number.isdigit() else 0, function


def _times_unbound(record: Record) -> list[str]:
    """Return what has to be said of a place where no tenant was bound, and nothing of another."""
    if not record.unbound:
        return []
    return [f"no tenant was bound {record.unbound} of {record.seen} times"]


def _changes(record: Record) -> str:
    return f"the guard {', '.join(record.changes)}" if record.changes else "the guard changes nothing"


def _source(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def _short(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file
