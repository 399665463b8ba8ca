"""The draft: a program that is being written, and the choices that decide it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tenantguard.testing.data import Data
from tenantguard.testing.generator.schema import ClassInfo, ColumnInfo, Schema, TableInfo
from tenantguard.testing.samples import SAMPLES, samples_of, written

T = TypeVar("T")
Choose = Callable[[int], int]  # a number from 0 to the one given


@dataclass
class Col:
    """A column or an expression that a statement may use: its code, its kind and its source."""

    code: str
    kind: str
    info: ColumnInfo | None = None
    table: str | None = None


@dataclass
class Source:
    """Something that a statement selects from.

    Attributes:
        code: the name that stands for it.
        cols: its columns.
        order: columns that tell its rows apart, or ``None``.
        table: the table behind it, where there is one.
        cls: the mapped class behind it, where there is one.
        real: it is the table or class itself and no alias of it.
        covers: the tables that it names when it is real.
        made: what a ``column_property`` computes, each a subquery that is correlated to the class.
    """

    code: str
    cols: list[Col]
    order: list[str] | None = None
    table: TableInfo | None = None
    cls: ClassInfo | None = None
    real: bool = False
    covers: frozenset[str] = frozenset()
    made: tuple[Col, ...] = ()


@dataclass
class Query:
    """A SELECT or a set operation, with the labels and kinds of its columns."""

    code: str
    cols: list[Col]
    ordered: bool = False


class QueryMaker(Protocol):
    """A writer of queries, which modules on lower floors call through the draft."""

    def __call__(
        self, d: Draft, depth: int, *, outer: Sequence[Source] = (), want: Sequence[str] | None = None
    ) -> Query: ...


class ValueMaker(Protocol):
    """A writer of expressions made from a subquery."""

    def __call__(self, d: Draft, outer: Sequence[Source], kind: str, depth: int) -> str: ...


@dataclass
class Draft:
    """The lines and shapes of a program that is being written, with the choices that decide it.

    The first choice is always the simplest one.
    """

    choose: Choose
    schema: Schema
    data: Data
    dialect: str
    query_maker: QueryMaker
    value_maker: ValueMaker
    orm: bool = False
    lines: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    shapes: set[str] = field(default_factory=set)
    budget: int = 7  # tables that one statement may still name
    loose: int = 3  # joins without a foreign key that are left, as their rows multiply
    numbers: dict[str, int] = field(default_factory=dict)
    ctes: list[tuple[str, list[Col]]] = field(default_factory=list)

    def query(self, depth: int, *, outer: Sequence[Source] = (), want: Sequence[str] | None = None) -> Query:
        """Write a query that may be correlated to ``outer``, with columns of the kinds that are wanted."""
        return self.query_maker(self, depth, outer=outer, want=want)

    def value(self, outer: Sequence[Source], kind: str, depth: int) -> str:
        """Write a scalar subquery, or EXISTS where the kind is ``bool``."""
        return self.value_maker(self, outer, kind, depth)

    def upto(self, most: int) -> int:
        """Choose a number from 0 to ``most``."""
        return self.choose(most) if most > 0 else 0

    def pick(self, choices: Sequence[T]) -> T:
        """Choose one."""
        return choices[self.upto(len(choices) - 1)]

    def chance(self, percent: int) -> bool:
        """Say yes this often; shrinks to no."""
        return self.upto(99) >= 100 - percent

    def some(self, choices: Sequence[T], least: int, most: int) -> list[T]:
        """Choose a few, in order, without repeating."""
        left = list(choices)
        count = min(least + self.upto(max(0, most - least)), len(left))
        return [left.pop(self.upto(len(left) - 1)) for _ in range(count)]

    def fresh(self, prefix: str) -> str:
        """Return a name that is not in use."""
        self.numbers[prefix] = self.numbers.get(prefix, 0) + 1
        return f"{prefix}{self.numbers[prefix]}"

    def let(self, prefix: str, code: str) -> str:
        """Give the expression a name on a line of its own, and return the name."""
        name = self.fresh(prefix)
        self.lines.append(f"{name} = {code}")
        return name

    def let_body(self, prefix: str, code: str) -> str:
        """Give the expression a name inside of the program, where ``own`` is known."""
        name = self.fresh(prefix)
        self.body.append(f"{name} = {code}")
        return name

    def did(self, shape: str) -> None:
        """Count a shape."""
        self.shapes.add(shape)

    def literal(self, col: Col) -> str:
        """Return a literal to compare a column with: a key of some tenant, or a value of its kind."""
        if col.info is not None and (col.info.primary or col.info.foreign) and col.table is not None:
            values = self.values(col.table, col.info.name)
            if values:
                return repr(self.pick(values))
        return self.sample_of(col.info) if col.info is not None else self.sample(col.kind)

    def sample_of(self, info: ColumnInfo) -> str:
        """Return a value of a column's type as code; what has no literal is asked of the schema by number."""
        number = self.upto(len(samples_of(info)) - 1)
        table = self.schema.name(info.column.table)
        return written(samples_of(info)[number]) or f"sample({table!r}, {info.name!r}, {number})"

    def sample(self, kind: str) -> str:
        """Return a literal of a kind."""
        return repr(self.pick(SAMPLES[kind]))

    def values(self, table: str, column: str) -> list[Any]:
        """Return what every tenant's rows hold in a column, NULL left out."""
        found = [
            row[column]
            for slices in self.data.rows.values()
            for row in slices.get(table, ())
            if row[column] is not None
        ]
        return list(dict.fromkeys(found))
