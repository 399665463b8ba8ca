"""Settings in ``[tool.tenantguard]`` of pyproject.toml, or in tenantguard.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tenantguard.checks.finding import SEVERITIES
from tenantguard.errors import ConfigurationError

FILES = ("tenantguard.toml", "pyproject.toml")
_KINDS: dict[str, type] = {
    "tenancy": str, "url": str, "source": list, "exclude": list, "role": str, "maintenance_role": str,
    "owner_role": str, "baseline": str, "lock": str, "fail_on": str, "silence": list,
}  # fmt: skip
LEAST = (*SEVERITIES, "never")  # what may fail `check`


@dataclass(frozen=True)
class Silence:
    """A finding that is not reported for a while.

    Attributes:
        id: the id of the rule.
        place: a pattern of places; ``*`` for any.
        reason: the reason.
        until: the last day on which it applies.
        where: the file and line of the silence.
        file: the source file, if it is a comment.
        line: the line in that file.
    """

    id: str
    place: str
    reason: str
    until: date | None
    where: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Settings:
    """The content of the settings file; the command line overrides it."""

    values: Mapping[str, Any]
    silences: tuple[Silence, ...] = ()

    def get(self, name: str, given: Any = None) -> Any:
        """Return the command line's value or, without one, the file's."""
        return given if given not in (None, [], ()) else self.values.get(name)


def read_settings(folder: Path) -> Settings:
    """Return the settings of a directory, which may be empty.

    Raises:
        ConfigurationError: a file cannot be read, or contains an unknown setting.
    """
    for name in FILES:
        path = folder / name
        if path.is_file():
            told = _section(path)
            if told is not None:
                return _settings(told, name)
    return Settings({})


def _section(path: Path) -> dict[str, Any] | None:
    try:
        read = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from error
    section = read.get("tool", {}).get("tenantguard")
    if section is None and path.name == "tenantguard.toml":
        section = read
    if section is not None and not isinstance(section, dict):
        raise ConfigurationError(f"{path.name}: [tool.tenantguard] is a table of settings")
    return section


def _settings(section: dict[str, Any], name: str) -> Settings:
    for key, value in section.items():
        kind = _KINDS.get(key)
        if kind is None:
            known = ", ".join(_KINDS)
            raise ConfigurationError(
                f"{name}: {key!r} is not a setting of tenantguard; the settings are {known}"
            )
        if not isinstance(value, kind):
            what = "text" if kind is str else "a list"
            raise ConfigurationError(f"{name}: {key} is {what}, not {value!r}")
        if key == "fail_on" and value not in LEAST:
            raise ConfigurationError(f"{name}: fail_on is one of {', '.join(LEAST)}, not {value!r}")
    silences = [_silence(one, f"{name}: silence {n}") for n, one in enumerate(section.get("silence", []), 1)]
    return Settings(section, tuple(silences))


def _silence(given: Any, where: str) -> Silence:
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"{where} is a table: [[tool.tenantguard.silence]] with id, place, reason and until"
        )
    until = given.get("until")
    if isinstance(until, datetime):
        until = until.date()
    if isinstance(until, str):
        until = day(until)
    return Silence(
        str(given.get("id", "")),
        str(given.get("place", "*")),
        str(given.get("reason", "")).strip(),
        until if isinstance(until, date) else None,
        where,
    )


def day(text: str) -> date | None:
    """Return a date in the form YYYY-MM-DD, or ``None``."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
