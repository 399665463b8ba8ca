"""The options and the result of a check."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from tenantguard.checks.finding import Finding
from tenantguard.checks.settings import Silence
from tenantguard.postgres import Roles
from tenantguard.tenancy import Tenancy


@dataclass(frozen=True)
class Asked:
    """The options of a check.

    Attributes:
        tenancy: how every table belongs.
        root: the directory of the application.
        source: the directories and files of its source, if any.
        exclude: patterns of files to skip.
        url: the URL of the live database, if there is one.
        roles: its roles.
        keys: whether to list the rows that cross tenants.
        prove: whether to run pgrls, if it is installed.
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
    """The findings of a check, the silences in the source, and the prefixes of the checked ids."""

    findings: list[Finding] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    looked: set[str] = field(default_factory=lambda: {"TG1", "TG9"})
