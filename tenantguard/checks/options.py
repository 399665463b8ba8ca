"""Asking: what a check is asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from tenantguard.checks.finding import Finding
from tenantguard.checks.settings import Silence
from tenantguard.postgres import Roles
from tenantguard.tenancy import Tenancy


@dataclass(frozen=True)
class Asked:
    """What is to be checked.

    Attributes:
        tenancy: how every table belongs.
        root: the directory of the application.
        source: the directories and files of its source; none are read where there are none.
        exclude: patterns of files to leave out.
        url: of the live database, if there is one.
        roles: its roles.
        keys: list the rows that cross tenants.
        prove: let pgrls look too, where it is installed.
    """

    tenancy: Tenancy
    root: Path
    source: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    url: str | None = None
    roles: Roles | None = None
    keys: bool = False
    prove: bool = True

    def code_only(self) -> Asked:
        """Return the same without the database."""
        return replace(self, url=None)


@dataclass
class Found:
    """What a check found, the silences in its source, and the beginnings of the ids it looked for."""

    findings: list[Finding] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    looked: set[str] = field(default_factory=lambda: {"TG1", "TG9"})
