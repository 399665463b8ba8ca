"""The catalogue: every rule by its id, with its explanation, available offline."""

from __future__ import annotations

from typing import Any

from tenantguard.checks.finding import Finding, Rule
from tenantguard.checks.rules.database import DATABASE
from tenantguard.checks.rules.models import MODELS
from tenantguard.checks.rules.own import OWN
from tenantguard.checks.rules.postgresql import POSTGRESQL
from tenantguard.checks.rules.source import SOURCE

GROUPS: dict[str, tuple[Rule, ...]] = {
    "Models": MODELS,
    "Source": SOURCE,
    "Live database": DATABASE,
    "PostgreSQL": POSTGRESQL,
    "The check itself": OWN,
}
RULES: dict[str, Rule] = {rule.id: rule for rules in GROUPS.values() for rule in rules}


def finding_of(id_: str, place: str, detail: str, remedy: str = "", **more: Any) -> Finding:
    """Return a finding of a rule; remedy and severity default to the rule's."""
    rule = RULES[id_]
    severity = more.pop("severity", rule.severity)
    return Finding(rule, place, detail, remedy or rule.remedy, severity, **more)
