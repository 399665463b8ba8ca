"""The files of raw results: rounded, and one line for each series, so that they stay small in the repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any

DIGITS = 4  # significant ones; what a round can tell is coarser by far


def write(path: Path, raw: Mapping[str, Any]) -> None:
    """Write raw results: one line for each entry, and for each element where the entry is a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [f"{json.dumps(name)}: {_lines(rounded(value))}" for name, value in raw.items()]
    path.write_text("{\n" + ",\n".join(entries) + "\n}\n")


def _lines(value: Any) -> str:
    if not isinstance(value, list) or not any(isinstance(one, dict) for one in value):
        return json.dumps(value, separators=(",", ":"))
    return "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in value) + "\n]"


def rounded(value: Any) -> Any:
    """Return the value with every float in it rounded to the significant digits that are kept."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if not isinstance(value, float) or not isfinite(value) or value == 0:
        return value
    places = DIGITS - 1 - floor(log10(abs(value)))
    short = round(value, places)
    return int(short) if places <= 0 else short
