"""Pooler files: PgBouncer configuration next to the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.checks.source.files import SKIPPED

_MODE = re.compile(r"\bpool_mode\b['\"]?\s*[:=]\s*['\"]?statement\b", re.IGNORECASE)
_PATTERNS = ("*.ini", "*.yml", "*.yaml", "*.env", ".env*", "*.toml")
_LARGEST = 200_000
_DEEPEST = 4


def pooler_findings(root: Path) -> Iterator[Finding]:
    """Yield the lines that put a pooler into statement mode."""
    for path in sorted({path for pattern in _PATTERNS for path in _files(root, pattern)}):
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if _MODE.search(line) and not line.strip().startswith((";", "#")):
                detail = f"{name} puts the pooler into statement mode"
                yield finding_of(
                    "TG419", f"{name}:{number}", detail, file=name, line=number, anchor=line.strip()
                )


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for depth in range(_DEEPEST):
        for path in root.glob("*/" * depth + pattern):
            folders = path.relative_to(root).parts[:-1]
            hidden = any(name in SKIPPED or name.startswith(".") for name in folders)
            if path.is_file() and not hidden and path.stat().st_size < _LARGEST:
                yield path
