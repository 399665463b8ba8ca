"""Settings as literals, for a message without parameters, hidden from what the server shows to other sessions."""

from __future__ import annotations

Settings = dict[str, str]
MOST_PADDING = 16_384  # bytes; where the server shows more of a statement, literals can be read


def made(values: Settings, padding: int) -> str:
    """Return the statement that makes settings, behind a comment that is as long as what ``pg_stat_activity`` shows.

    Args:
        values: the settings.
        padding: how many bytes of a statement the server shows.
    """
    comment = f"/*{' ' * padding}*/ " if 0 < padding <= MOST_PADDING else ""
    # pg_stat_statements takes the values out of a query, and leaves them in a SET
    calls = [f"pg_catalog.set_config('{name}', {_literal(value)}, true)" for name, value in values.items()]
    return f"{comment}SELECT {', '.join(calls)}"


def _literal(value: str) -> str:
    """Return a string that is read as the same one whatever ``standard_conforming_strings`` says."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
