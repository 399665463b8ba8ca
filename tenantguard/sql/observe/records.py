"""Records: the observations of each place of the application, limited in number and written for the report."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import Any

VERSION = 1
MOST = 2_000  # places and statements that one process keeps
DIRECTORY = "TENANTGUARD_OBSERVED"  # the environment variable
_NUMBERS = itertools.count(1)  # of those of one process
_COUNTS = ("seen", "refused", "unbound", "foreign", "compared", "differed")


@dataclass(slots=True)
class Record:
    """The observations of one statement at one place.

    Attributes:
        file: the file of the application that sends it.
        line: the line in it.
        function: the function that the line stands in.
        entry: where the application's work began that came to this line, ``file:line function``; of the executions
            that the guard would change, the first one's.
        verb: ``"select"``, ``"insert"``, ``"update"``, ``"delete"``, ``"ddl"`` or ``"text"``.
        statement: the SQL with every literal masked.
        fingerprint: equal for statements of the same shape.
        tables: the tables of a tenant's that it names.
        changes: what the guard would do to it, a phrase each.
        depends: whether the rows tell what that changes, so that only a comparison shows it.
        kind: the kind of the refusal that awaits it, if any.
        refusal: what the refusal says.
        seen: how often it was executed outside of a bypass.
        refused: how often it would have been refused for what it is.
        unbound: how often no tenant was bound that it needs.
        foreign: how often it wrote what names another tenant.
        compared: how often its result was compared with that under the guard.
        differed: how often that differed.
        told: what the difference was.
    """

    file: str
    line: int
    function: str
    entry: str
    verb: str
    statement: str
    fingerprint: str
    tables: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    depends: bool = False
    kind: str | None = None
    refusal: str | None = None
    seen: int = 0
    refused: int = 0
    unbound: int = 0
    foreign: int = 0
    compared: int = 0
    differed: int = 0
    told: str | None = None

    @property
    def key(self) -> tuple[str, int, str]:
        """Return the key of a record."""
        return self.file, self.line, self.fingerprint

    @property
    def is_affected(self) -> bool:
        """Return whether the guard would change one of the executions, as far as was seen."""
        return bool(self.refused or self.unbound or self.foreign or self.differed)

    def add(self, other: Record) -> None:
        """Take in what another process observed of the same place and statement."""
        if other.is_affected and not self.is_affected:
            self.entry = other.entry
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("kind", "refusal", "told", "depends"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        for name in ("tables", "changes"):
            setattr(self, name, sorted({*getattr(self, name), *getattr(other, name)}))


@dataclass
class Recorded:
    """The observations of all processes of an application.

    Attributes:
        records: one for each place and statement.
        processes: how many processes have written what they observed.
        lost: how many executions found no room for another record.
        failures: how many times observing itself failed.
        unread: files that hold nothing of ours.
    """

    records: list[Record] = field(default_factory=list)
    processes: int = 0
    lost: int = 0
    failures: int = 0
    unread: list[str] = field(default_factory=list)


class Records:
    """The records of one process.

    Args:
        directory: where they are written; ``None`` keeps them in memory.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.lost = self.failures = 0
        self._kept: dict[tuple[str, int, str], Record] = {}
        self._lock = Lock()
        self._written: Any = None
        self._number = next(_NUMBERS)

    def keep(self, record: Record) -> Record | None:
        """Return the record of the same place and statement; this one is added if there is room."""
        with self._lock:
            found = self._kept.get(record.key)
            if found is None and len(self._kept) < MOST:
                self._kept[record.key] = found = record
        return found

    def all(self) -> list[Record]:
        """Return the records of every executed statement."""
        with self._lock:
            return [record for record in self._kept.values() if record.seen]

    def forget(self) -> None:
        """Count from zero, as a process that was forked from another does."""
        self._lock = Lock()
        self.lost = self.failures = 0
        self._written = None
        for record in self._kept.values():
            for name in _COUNTS:
                setattr(record, name, 0)

    def write(self) -> None:
        """Write everything to a file of this process, at once or not at all.

        Raises:
            OSError: it cannot be written.
        """
        if self.directory is None:
            return
        records = self.all()
        state = (len(records), sum(one.seen + one.compared for one in records), self.lost, self.failures)
        if state == self._written or not records:
            return
        _make(self.directory)
        path = self.directory / f"{socket.gethostname()}-{os.getpid()}-{self._number}.json"
        beside = path.with_suffix(".new")
        told = {
            "tenantguard_observed": VERSION,
            "lost": self.lost,
            "failures": self.failures,
            "records": [asdict(one) for one in records],
        }
        beside.write_text(json.dumps(told))
        beside.replace(path)
        self._written = state


def _make(directory: Path) -> None:
    """Make the directory of the records, which no commit takes in."""
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".gitignore").write_text("*\n")


def directory_of(given: str | os.PathLike[str] | None) -> Path:
    """Return the directory that records are written to and read from."""
    return Path(given or os.environ.get(DIRECTORY) or ".tenantguard/observed")


def read(directory: Path) -> Recorded:
    """Return what every process has written, each place and statement once."""
    found = Recorded()
    merged: dict[tuple[str, int, str], Record] = {}
    for path in sorted(directory.glob("*.json")):
        told = _told(path)
        if told is None:
            found.unread.append(path.name)
            continue
        found.processes += 1
        found.lost += int(told.get("lost", 0))
        found.failures += int(told.get("failures", 0))
        _merge(merged, told["records"])
    found.records = list(merged.values())
    return found


def _merge(merged: dict[tuple[str, int, str], Record], records: Iterable[Any]) -> None:
    known = {one.name for one in fields(Record)}
    for given in records:
        record = Record(**{name: value for name, value in given.items() if name in known})
        if record.key in merged:
            merged[record.key].add(record)
        else:
            merged[record.key] = record


def _told(path: Path) -> Any:
    try:
        told = json.loads(path.read_text())
        if told["tenantguard_observed"] != VERSION:
            return None
        _merge({}, told["records"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return told
