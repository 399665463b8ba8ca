"""Statements grown from a grammar, and statements broken: each is told by its seed."""

from __future__ import annotations

import random
import re

from tests.sql.text.statements import READS, WRITES

COLUMNS = {
    "companies": ("id", "name"),
    "numbers": ("id", "company_id", "number"),
    "calls": ("id", "company_id", "status", "mins", "number_id"),
    "call_tags": ("id", "call_id", "tag"),
    "tag_notes": ("id", "tag_id", "note"),
    "countries": ("code", "name"),
}
TOKENS = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[a-z]+\]|--[^\n]*\n?|/\*.*?\*/|[\w:]+|\s+|.", re.DOTALL
)
WRITTEN = [sql for backends, sql in READS if not backends or "sqlite" in backends] + [
    sql for backends, sql, _ in WRITES if not backends or "sqlite" in backends
]
EXTRA = [
    "OR", "AND", "(", ")", ",", ";", "--", "/*", "*/", "'", '"', "`", "[", "]", "\n", "UNION", "ALL", "SELECT", "*",
    "FROM", "calls", "numbers", "call_tags", "main.", "AS", "c", "JOIN", "LEFT", "RIGHT", "FULL", "NATURAL", "CROSS",
    "ON", "USING", "(id)", "WHERE", "1=1", "WITH", "RECURSIVE", "calls AS (SELECT 1 AS id)", "IN", "EXISTS", "VALUES",
    "(1)", "ORDER BY", "LIMIT", "1", "GROUP BY", "HAVING", "WINDOW", "w", "BETWEEN", "CASE", "END", "NOT", "INDEXED",
    "MATERIALIZED", "RETURNING", "INTO", "SET", "DISTINCT", "EXCEPT", "TABLE", "company_id", "'globex'", ".", "=",
    "OFFSET", "INTERSECT", "OUTER", "INNER", "DEFAULT", "DO", "UPDATE", "DELETE", "INSERT", "countries", "?", ":low",
    "101", "OVER", "FILTER", "COLLATE", "ESCAPE", "ON CONFLICT DO NOTHING", "\\", "\x00", "\u00a0", "%", "$1", "@x",
    "tenantguard", "sqlite_master", "excluded.", "rowid", "X'41'", "/*! */", "\ud800", "|", "->>", "0x1", "1e999",
]  # fmt: skip
_WORTH = ("1", "2", "101", "'open'", "'acme'", "'globex'", "NULL", ":low", "-1", "1.5", "''")
_JOINS = ("JOIN", "LEFT JOIN", "INNER JOIN", "CROSS JOIN", "RIGHT JOIN", "FULL JOIN", "NATURAL JOIN", ",")


def text(seed: int) -> str:
    """Return the text of a seed: grown, broken, grown and then broken, or tokens at random."""
    dice = random.Random(seed)
    match dice.randrange(8):
        case 0 | 1 | 2:
            return Grower(dice).statement()
        case 3 | 4:
            return broken(dice, Grower(dice).statement(), dice.choice(WRITTEN))
        case 5 | 6:
            return broken(dice, dice.choice(WRITTEN), dice.choice(WRITTEN))
        case _:
            return "SELECT " + " ".join(dice.choice(EXTRA) for _ in range(dice.randint(1, 25)))


def broken(dice: random.Random, sql: str, beside: str) -> str:
    """Return a statement with tokens taken out, doubled, swapped, and put in from elsewhere."""
    tokens, other = TOKENS.findall(sql), TOKENS.findall(beside)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(tokens) + 1)
        match dice.randrange(6):
            case 0:
                tokens[at : at + dice.randint(1, 3)] = []
            case 1:
                begun = dice.randrange(len(other))
                tokens[at:at] = [" ", *other[begun : begun + dice.randint(1, 12)], " "]
            case 2 if tokens:
                tokens[at:at] = tokens[dice.randrange(len(tokens)) :][: dice.randint(1, 8)]
            case 3 if len(tokens) > 1:
                one, two = dice.randrange(len(tokens)), dice.randrange(len(tokens))
                tokens[one], tokens[two] = tokens[two], tokens[one]
            case _:
                tokens[at:at] = [" ", dice.choice(EXTRA), " "]
    return "".join(tokens)


class Grower:
    """Grow statements; what they name mostly exists, and what they give is mostly another tenant's."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.depth = 0
        self.known: list[str] = []  # of common table expressions

    def statement(self) -> str:
        """Return a query or a write, now and then with a WITH."""
        with_ = self._with() if self.dice.random() < 0.2 else ""
        grow = self.dice.choice(
            (self.query, self.query, self.query, self._insert, self._update, self._delete)
        )
        return with_ + grow()

    def _with(self) -> str:
        name = self.dice.choice(("x", "y", "calls", "numbers", "call_tags"))
        recursive = self.dice.choice(("", "RECURSIVE "))
        body = self.query()
        self.known.append(name)
        return f"WITH {recursive}{name} AS ({body}) "

    def query(self) -> str:
        """Return a SELECT, perhaps joined with others by a set operation."""
        self.depth += 1
        try:
            found = self._select()
            while self.depth < 4 and self.dice.random() < 0.12:
                how = self.dice.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
                found += f" {how} {self._select()}"
            return found + self.dice.choice(("", "", "", " ORDER BY 1", " LIMIT 3"))
        finally:
            self.depth -= 1

    def _select(self) -> str:
        sources, names = self._from()
        items = self.dice.choice(
            ("*", "count(*)", f"{names[0][0]}.*", self._items(names), self._items(names))
        )
        where = f" WHERE {self.condition(names)}" if self.dice.random() < 0.7 else ""
        group = f" GROUP BY {self._column(names)}" if self.dice.random() < 0.1 else ""
        return f"SELECT {self.dice.choice(('', '', 'DISTINCT '))}{items} FROM {sources}{where}{group}"

    def _items(self, names: list[tuple[str, str]]) -> str:
        return ", ".join(self.value(names) for _ in range(self.dice.randint(1, 3)))

    def _from(self) -> tuple[str, list[tuple[str, str]]]:
        found, names = self._source(0)
        for place in range(1, self.dice.choice((1, 1, 2, 2, 3))):
            how = self.dice.choice(_JOINS)
            right, more = self._source(place)
            names = names + more
            on = "" if how in (",", "CROSS JOIN", "NATURAL JOIN") else f" ON {self.condition(names)}"
            on = " USING (id)" if on and self.dice.random() < 0.1 else on
            found += f", {right}" if how == "," else f" {how} {right}{on}"
        return found, names

    def _source(self, place: int) -> tuple[str, list[tuple[str, str]]]:
        alias = f"t{self.depth}{place}"
        if self.depth < 3 and self.dice.random() < 0.15:
            return f"({self.query()}) AS {alias}", [(alias, "calls")]
        if self.depth < 3 and self.dice.random() < 0.08:
            inner, names = self._from()
            return f"({inner})", names
        table = self.dice.choice([*COLUMNS, *self.known])
        written = self.dice.choice((table, table, f'"{table}"', f"main.{table}", table.upper(), f"[{table}]"))
        kind = table if table in COLUMNS else "calls"
        if self.dice.random() < 0.2:
            return written, [(table, kind)]
        return f"{written} {self.dice.choice(('AS ', ''))}{alias}", [(alias, kind)]

    def _column(self, names: list[tuple[str, str]]) -> str:
        name, kind = self.dice.choice(names)
        column = self.dice.choice(COLUMNS[kind])
        return self.dice.choice((f"{name}.{column}", f"{name}.{column}", column))

    def condition(self, names: list[tuple[str, str]]) -> str:
        """Return a condition over the tables of these names."""
        self.depth += 1
        try:
            match self.dice.randrange(9 if self.depth < 5 else 4):
                case 0 | 1 | 2 | 3:
                    how = self.dice.choice(("=", "<>", ">", "<", "IS NOT", "LIKE"))
                    return f"{self.value(names)} {how} {self.value(names)}"
                case 4:
                    return f"{self.condition(names)} OR {self.condition(names)}"
                case 5:
                    return f"({self.condition(names)}) AND NOT {self.condition(names)}"
                case 6:
                    return f"EXISTS ({self.query()})"
                case 7:
                    return f"{self._column(names)} IN ({self.query()})"
                case _:
                    return self.dice.choice(("1 = 1", "NULL IS NULL", "1 OR 1"))
        finally:
            self.depth -= 1

    def value(self, names: list[tuple[str, str]]) -> str:
        """Return a value: a column, a literal, a call, or a subquery."""
        match self.dice.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                return self._column(names)
            case 5 | 6:
                return self.dice.choice(_WORTH)
            case 7:
                return f"{self.dice.choice(('count', 'max', 'lower', 'hex'))}({self._column(names)})"
            case 8 if self.depth < 3:
                return f"({self.query()})"
            case _:
                return f"CASE WHEN {self._column(names)} = 1 THEN {self.dice.choice(_WORTH)} ELSE 'x' END"

    def _given(self, column: str) -> str:
        if column in ("id", "code"):
            return self.dice.choice((str(self.dice.randint(200, 10**6)), "1", "101", "'xx'"))
        return self.dice.choice((*_WORTH, f"({self.query()})", "2 + 99", "excluded.id"))

    def _insert(self) -> str:
        table = self.dice.choice(list(COLUMNS))
        columns = [c for c in COLUMNS[table] if self.dice.random() < 0.7] or [COLUMNS[table][0]]
        how = self.dice.choice(("INSERT", "INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE"))
        rows = ", ".join(
            f"({', '.join(self._given(c) for c in columns)})" for _ in range(self.dice.randint(1, 2))
        )
        body = f"VALUES {rows}" if self.dice.random() < 0.6 else self.query()
        conflict = self.dice.choice(
            ("", "", " ON CONFLICT DO NOTHING", f" ON CONFLICT (id) DO UPDATE SET {self._sets(table)}")
        )
        return f"{how} INTO {table} ({', '.join(columns)}) {body}{conflict}{self._returning()}"

    def _sets(self, table: str) -> str:
        columns = self.dice.sample(COLUMNS[table], self.dice.randint(1, 2))
        return ", ".join(f"{column} = {self._given(column)}" for column in columns)

    def _update(self) -> str:
        table = self.dice.choice(list(COLUMNS))
        beside = f" FROM {self._from()[0]}" if self.dice.random() < 0.3 else ""
        where = f" WHERE {self.condition([(table, table)])}" if self.dice.random() < 0.7 else ""
        return f"UPDATE {table} SET {self._sets(table)}{beside}{where}{self._returning()}"

    def _delete(self) -> str:
        table = self.dice.choice(list(COLUMNS))
        where = f" WHERE {self.condition([(table, table)])}" if self.dice.random() < 0.7 else ""
        return f"DELETE FROM {table}{where}{self._returning()}"

    def _returning(self) -> str:
        return self.dice.choice(("", "", " RETURNING *", " RETURNING id"))
