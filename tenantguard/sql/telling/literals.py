"""Settings as literals, for a message that has no parameters: kept out of what the server shows to other sessions."""

from __future__ import annotations

Settings = dict[str, str]
MOST_PADDING = 16_384  # bytes; where the server shows more of a statement, literals can be read


def made(values: Settings, padding: int) -> str:
    """Return the statements that make settings, behind a comment that is as long as what ``pg_stat_activity`` shows.

    Args:
        values: the settings.
        padding: how many bytes of a statement the server shows.
    """
    comment = f"/*{' ' * padding}*/ " if 0 < padding <= MOST_PADDING else ""
    # costs the server less than set_config(), which is a query
    return comment + "; ".join(f"SET LOCAL {name} TO {_literal(value)}" for name, value in values.items())


def _literal(value: str) -> str:
    """Return a string as PostgreSQL reads it with ``standard_conforming_strings``, without which no engine starts."""
    return "'" + value.replace("'", "''") + "'"
