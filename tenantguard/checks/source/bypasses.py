"""Bypasses in the source, and their reasons."""

from __future__ import annotations

from collections.abc import Iterator

from tenantguard.checks.finding import Finding
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import is_of


def bypass_findings(project: Project) -> Iterator[Finding]:
    """Yield each bypass, with its reason or the lack of one."""
    for source, called in project.calls():
        if called.last != "bypass" or not is_of(called.name, "tenantguard"):
            continue
        reason = called.argument(None, "reason")
        if (
            reason is None
            or (reason.text is not None and not reason.text.strip())
            or reason.code in ("None", '""')
        ):
            yield project.at("TG205", source, called.line, "bypass() has no reason")
        else:
            where = f" in {called.function}" if called.function else ""
            said = reason.text if reason.text is not None else reason.code
            yield project.at("TG204", source, called.line, f"the guard is lifted{where}: {said}")
