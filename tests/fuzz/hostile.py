"""Fuzz the reader by size: texts of up to 100,000 characters, deep, long and broken off, within a second and 50 MB."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter

from tenantguard.errors import TenantGuardError
from tenantguard.sql.text import read_fragment, rewrite
from tests.sql.text.corpus import shop

LONGEST, MOST_SECONDS, MOST_BYTES = 100_000, 1.0, 50_000_000
_MEASURED = 7  # one seed in so many: it takes three times as long
_DIALECTS = ("sqlite", "postgresql", "mariadb")
# what is repeated: an opening, what stands in the middle, and a closing
_NESTED = [
    ("(", "1", ")"), ("date (", "1", ")"), ("lower(", "'x'", ")"), ("ARRAY[", "1", "]"), ("NOT ", "1", ""),
    ("CASE WHEN 1 = 1 THEN ", "1", " END"), ("(SELECT id FROM calls WHERE id = ", "1", ")"), ("- ", "1", ""),
    ("(SELECT * FROM ", "calls", ") x"), ("WITH x AS (", "SELECT 1", ") SELECT * FROM x"), ("x IN (", "1", ")"),
    ("EXISTS (SELECT 1 FROM calls WHERE ", "1 = 1", ")"), ("extract(year FROM ", "x", ")"), ("a.", "b", ""),
    ("CAST(", "1", " AS int)"), ("[", "x", "]"), ('"', "x", '"'), ("/*", "x", "*/"), ("$$", "x", "$$"), ("{", "x", "}"),
    ("count(*) OVER (ORDER BY ", "id", ")"), ("(calls JOIN ", "agents", " ON 1 = 1)"), ("'", "x", ""),
]  # fmt: skip
_LISTED = [
    "1", "'x'", ":p%d", "x%d", "calls c%d", "(1, 2)", "c.id AS c%d", "lower(x)", "1 = 1", "SELECT %d", "a%d LEFT",
    "x%d AS (SELECT id FROM calls)", "calls c%d ON 1 = 1", "WHEN %d THEN 2", "-- x\n", "/* x */", "::int", "\t",
    "a BETWEEN 1 AND 2", "\\", "''", "$1", "?", "%s",
]  # fmt: skip
_BETWEEN = [
    ", ",
    " AND ",
    " OR ",
    " + ",
    " UNION SELECT ",
    " JOIN ",
    " LEFT JOIN ",
    " ",
    "",
    ".",
    "||",
    " FULL JOIN ",
    " EXCEPT ",
]
_AROUND = [
    "%s", "SELECT %s", "SELECT id FROM calls WHERE %s", "SELECT * FROM %s", "WITH %s SELECT 1", "SELECT CASE %s END",
    "SELECT id FROM calls ORDER BY %s", "INSERT INTO calls (id) VALUES %s", "UPDATE calls SET status = %s",
    "DELETE FROM calls WHERE id IN (%s)", "INSERT INTO call_tags (call_id) SELECT %s FROM calls",
    "SELECT * FROM calls JOIN %s",
]  # fmt: skip


def hostile(seed: int) -> str:
    """Return the text of a seed."""
    dice = random.Random(seed)
    size = dice.choice((100, 3_000, 30_000, LONGEST))
    if dice.random() < 0.5:
        opening, middle, closing = dice.choice(_NESTED)
        count = min(size // (len(opening) + len(closing)), dice.choice((20, 55, 101, 2_000, LONGEST)))
        inner = opening * count + middle + closing * dice.choice((count, count, count - 1, 0))
    else:
        one, between = dice.choice(_LISTED), dice.choice(_BETWEEN)
        parts = [one.replace("%d", str(at)) for at in range(max(2, size // (len(one) + len(between) + 3)))]
        inner = between.join(parts)
    text = dice.choice(_AROUND).replace("%s", inner)
    if dice.random() < 0.2:
        text = text.replace("x", "x" * dice.choice((64, 1_000, 50_000)), 1)
    return text[: dice.choice((LONGEST, LONGEST, size // 2))]


class HostileFuzzer:
    """Read texts by their seeds, and count what each takes.

    Attributes:
        counts: how many were refused and accepted.
    """

    name = "hostile text"

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self.counts: Counter[str] = Counter()
        self._most_seconds = most_seconds

    def close(self) -> None:
        """Close nothing; the other fuzzers have connections."""

    def run(self, seed: int) -> str | None:
        """Read the text of a seed, as a statement and as a fragment; return what is wrong, or ``None``."""
        text, dialect = hostile(seed), _DIALECTS[seed % 3]
        begun = time.process_time()
        self._read(text, dialect)
        seconds = time.process_time() - begun
        if seconds > self._most_seconds:
            return f"{seconds:.1f} s on {dialect}: {text[:200]!r}"
        if seed % _MEASURED:
            return None
        tracemalloc.start()
        self._read(text, dialect)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return f"{most:,} bytes on {dialect}: {text[:200]!r}" if most > MOST_BYTES else None

    def _read(self, text: str, dialect: str) -> None:
        try:
            rewrite(text, tenancy=shop.tenancy, dialect=dialect, style="named")
            self.counts["accepted"] += 1
        except TenantGuardError:
            self.counts["refused"] += 1
        read_fragment(text, dialect, shop.tenancy)
