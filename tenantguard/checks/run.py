"""The run of one check over models, source and live database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tenantguard.checks.finding import Finding
from tenantguard.checks.live.connection import NoTransactionsError, connected
from tenantguard.checks.live.inspection import live_findings
from tenantguard.checks.live.pgrls import proven
from tenantguard.checks.live.poolers import without_transactions
from tenantguard.checks.live.structure import indexed
from tenantguard.checks.models import model_findings
from tenantguard.checks.options import Asked, Found
from tenantguard.checks.relationships import relationship_findings
from tenantguard.checks.settings import Silence
from tenantguard.checks.silences import comments
from tenantguard.checks.source.findings import source_findings
from tenantguard.checks.source.pooler_files import pooler_findings
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import read_source


def run(asked: Asked, step: Callable[[str], None] = lambda _: None) -> Found:
    """Return the findings.

    Args:
        asked: the options.
        step: a function that receives the description of the next step.

    Raises:
        ConfigurationError: the database cannot be reached.
    """
    result = Found()
    step("reading the models")
    models = [*model_findings(asked.tenancy), *relationship_findings(asked.tenancy)]
    if asked.url is not None:
        try:
            models = _live(asked, result, models, step)
        except NoTransactionsError as error:
            result.findings += without_transactions(str(error))
    result.findings = [*models, *result.findings]
    if asked.source:
        _source(asked, result, step)
    result.findings = list({(one.rule.id, one.place, one.detail): one for one in result.findings}.values())
    return result


def _live(asked: Asked, result: Found, models: list[Finding], step: Callable[[str], None]) -> list[Finding]:
    """Add the database's findings; return the models' findings without those that the database disproves."""
    result.looked |= {"TG3", "TG4"}
    assert asked.url is not None
    step("connecting")
    with connected(asked.url) as connection:
        result.findings += live_findings(connection, asked.tenancy, asked.roles, keys=asked.keys, step=step)
        there = indexed(connection, asked.tenancy)
        connection.rollback()
        if asked.prove and connection.dialect.name == "postgresql":
            step("asking pgrls")
            result.findings += proven(connection.engine.url, asked.tenancy)
    return [one for one in models if not (one.rule.id == "TG105" and one.place.rpartition(".")[0] in there)]


def _source(asked: Asked, result: Found, step: Callable[[str], None]) -> None:
    result.looked.add("TG2")
    step("reading the source")
    project = Project(read_source(asked.source, asked.exclude), asked.tenancy, asked.root)
    step("looking at the source")
    result.findings += [*source_findings(project), *pooler_findings(asked.root)]
    result.silences += list(_comments(project))


def _comments(project: Project) -> Iterator[Silence]:
    for source in project.sources:
        yield from comments(source, project.name(source))
