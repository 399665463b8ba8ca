"""The lock: sections of entries, as readable text in a stable order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenantguard.errors import ConfigurationError

VERSION = 1
_HEAD = "# What was approved of who sees which rows. Written by `tenantguard lock`; review it, and do not edit it."
CODE = ("tables", "statements", "keys", "functions", "guards", "bypasses")
DATABASE = ("schema", "row security", "policies", "roles", "grants", "definers")


@dataclass(frozen=True)
class Lock:
    """The approved state, by section and name.

    Attributes:
        sections: the entries of each section. Without a database, its sections are missing.
    """

    sections: Mapping[str, Mapping[str, str]]

    @property
    def has_database(self) -> bool:
        """Return whether it describes a database."""
        return any(name in self.sections for name in DATABASE)

    def text(self) -> str:
        """Return the lock as the text of its file."""
        body = "".join(self._lines())
        return f"{_HEAD}\nversion {VERSION}\ndigest {_digest(body)}\n{body}"

    def _lines(self) -> Iterator[str]:
        for section in (*CODE, *DATABASE):
            if section in self.sections:
                yield f"\n[{section}]\n"
                for name, said in sorted(self.sections[section].items()):
                    yield f"{name} = {said}\n"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def read_lock(path: Path) -> Lock:
    """Return the lock in a file.

    Raises:
        ConfigurationError: it does not exist, has another version, or was edited by hand.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read; write it with tenantguard lock") from error
    return parse_lock(text, str(path))


def parse_lock(text: str, name: str) -> Lock:
    """Return the lock in a text; see ``read_lock``."""
    lines = text.splitlines(keepends=True)
    if len(lines) < 3 or not lines[1].startswith("version ") or not lines[2].startswith("digest "):
        raise ConfigurationError(
            f"{name} is not a tenantguard lock, or holds a merge conflict; run tenantguard lock"
        )
    version = lines[1].removeprefix("version ").strip()
    if version != str(VERSION):
        raise ConfigurationError(
            f"{name} has version {version}, and this tenantguard writes version {VERSION}; run "
            "tenantguard lock and review the changes"
        )
    body = "".join(lines[3:])
    if lines[2].removeprefix("digest ").strip() != _digest(body):
        raise ConfigurationError(
            f"{name} was edited by hand: its digest does not match its text. Run tenantguard lock and "
            "review the changes"
        )
    return Lock(_sections(body))


def _sections(body: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    entries: dict[str, str] = {}
    for line in body.splitlines():
        if line.startswith("[") and line.endswith("]") and " = " not in line:
            entries = sections.setdefault(line[1:-1], {})
        elif line:
            key, _, said = line.partition(" = ")
            entries[key] = said
    return sections
