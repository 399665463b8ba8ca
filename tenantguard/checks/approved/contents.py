"""The contents of a lock, from the code and, with a URL, from the database."""

from __future__ import annotations

from collections.abc import Callable

from tenantguard.checks.approved.code import code_sections
from tenantguard.checks.approved.live import database_sections
from tenantguard.checks.approved.lock import Lock
from tenantguard.checks.live.connection import connected
from tenantguard.checks.options import Asked
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import read_source


def make_lock(asked: Asked, step: Callable[[str], None] = lambda _: None) -> Lock:
    """Return the lock of the current state.

    Args:
        asked: the tenancy, its source, and the database if there is one.
        step: a function that receives the description of the next step.

    Raises:
        ConfigurationError: the tenancy has faults, or the database cannot be reached.
    """
    step("reading the source")
    project = Project(read_source(asked.source, asked.exclude), asked.tenancy, asked.root)
    sections = code_sections(asked.tenancy, project)
    if asked.url is not None:
        step("reading the database")
        with connected(asked.url) as connection:
            sections |= database_sections(connection, asked.tenancy)
    return Lock(sections)
