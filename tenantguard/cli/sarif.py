"""SARIF 2.1.0: findings in the format of code scanning."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from tenantguard.checks.catalogue import RULES
from tenantguard.checks.finding import Finding, Rule
from tenantguard.checks.settings import Silence
from tenantguard.checks.silences import Sorted

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HELP = "https://github.com/tenantguard/tenantguard/blob/main/docs/check.md"


def sarif(told: Sorted) -> dict[str, Any]:
    """Return the document, with silenced and accepted findings marked as suppressed."""
    results = [_result(one) for one in told.told]
    results += [_result(one, _silenced(silence)) for one, silence in told.silenced]
    results += [
        _result(one, {"kind": "external", "justification": "in the baseline"}) for one in told.accepted
    ]
    driver = {
        "name": "tenantguard",
        "version": version("tenantguard"),
        "informationUri": "https://github.com/tenantguard/tenantguard",
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.remedy},
        "helpUri": f"{_HELP}#{rule.id.lower()}-{rule.name}",
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(one: Finding, suppressed: dict[str, Any] | None = None) -> dict[str, Any]:
    result = {
        "ruleId": one.rule.id,
        "ruleIndex": list(RULES).index(one.rule.id),
        "level": one.severity,
        "message": {"text": f"{one.detail}. {one.remedy}"},
        "locations": [_location(one)],
        "partialFingerprints": {"tenantguard/v1": one.fingerprint},
    }
    return result if suppressed is None else {**result, "suppressions": [suppressed]}


def _silenced(silence: Silence) -> dict[str, Any]:
    kind = "inSource" if silence.file else "external"
    return {"kind": kind, "justification": f"{silence.reason} (until {silence.until})"}


def _location(one: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": one.place}]}
    if one.file is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(one.file)},
            "region": {"startLine": one.line or 1},
        }
    return location
