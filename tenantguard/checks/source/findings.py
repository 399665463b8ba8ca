"""Findings in source: all findings in a project's files."""

from __future__ import annotations

from collections.abc import Iterator

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.applications import application_findings
from tenantguard.checks.source.bypasses import bypass_findings
from tenantguard.checks.source.engines import engine_findings
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.routes import exempt_findings, routes_of
from tenantguard.checks.source.shared_state import sharing_findings
from tenantguard.checks.source.statements import statement_findings


def source_findings(project: Project) -> Iterator[Finding]:
    """Yield the findings in the source, which is never imported or run."""
    for source in project.sources:
        if source.fault is not None:
            yield project.at("TG211", source, 1, f"{project.name(source)} cannot be read: {source.fault}")
    for look in (engine_findings, statement_findings, bypass_findings, sharing_findings):
        yield from look(project)
    routes = list(routes_of(project))
    yield from application_findings(project, routes)
    yield from exempt_findings(project, routes)
