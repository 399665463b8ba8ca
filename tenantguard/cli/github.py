"""Annotations for GitHub Actions: one workflow command per finding."""

from __future__ import annotations

from collections.abc import Iterable

from tenantguard.checks.finding import Finding

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def workflow_commands(findings: Iterable[Finding]) -> str:
    """Return the workflow commands, one per line."""
    return "".join(f"{_annotation(one)}\n" for one in findings)


def _annotation(one: Finding) -> str:
    place = f"file={_property(one.file)},line={one.line or 1}," if one.file else ""
    title = _property(f"{one.rule.id} {one.rule.name}")
    said = _message(f"{one.place}: {one.detail}. {one.remedy}")
    return f"::{_LEVELS[one.severity]} {place}title={title}::{said}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
