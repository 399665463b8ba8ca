"""What OSCAL 1.1.2 says of assessment results, as far as an access review uses it, in a schema written by hand.

NIST's own (`oscal_assessment-results_schema.json`, 250 KB) is in no package; the output was checked against it once,
on 28 November 2026. This one lists what may and what has to stand in each object that is written, and in which form.
"""

from __future__ import annotations

from typing import Any

_HEX = "[0-9A-Fa-f]"
UUID = {
    "type": "string",
    "pattern": f"^{_HEX}{{8}}-{_HEX}{{4}}-[45]{_HEX}{{3}}-[89ABab]{_HEX}{{3}}-{_HEX}{{12}}$",
}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
TOKEN = {"type": "string", "pattern": r"^[^\W\d][\w.\-]*$"}
LINE = {"type": "string", "pattern": r"^\S(.*\S)?\Z"}
TEXT = {"type": "string", "minLength": 1}
URI = {"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9+.\-]+:.+$"}


def _object(needed: dict[str, Any], also: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with these members and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(needed),
        "properties": needed | (also or {}),
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}


_PROP = _object({"name": TOKEN, "value": LINE}, {"ns": URI})
_OBSERVATION = _object(
    {"uuid": UUID, "description": TEXT, "methods": _list({"enum": ["EXAMINE", "INTERVIEW", "TEST", "UNKNOWN"]}),
     "collected": MOMENT},
    {"title": TEXT, "props": _list(_PROP)},
)  # fmt: skip
_CHOSEN = _object({}, {"include-controls": _list(_object({"control-id": TOKEN}))})
_CONTROLS = _object({"control-selections": _list(_CHOSEN)})
_RESULT = _object(
    {"uuid": UUID, "title": TEXT, "description": TEXT, "start": MOMENT, "reviewed-controls": _CONTROLS},
    {"observations": _list(_OBSERVATION)},
)  # fmt: skip
_METADATA = _object(
    {"title": TEXT, "last-modified": MOMENT, "version": LINE, "oscal-version": {"const": "1.1.2"}}
)
SCHEMA = _object(
    {"assessment-results": _object(
        {"uuid": UUID, "metadata": _METADATA, "import-ap": _object({"href": TEXT}), "results": _list(_RESULT)}
    )}
)  # fmt: skip
