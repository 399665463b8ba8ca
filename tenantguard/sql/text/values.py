"""Values that SQL text gives for a column: a literal or a parameter, to be verified when the text is executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenantguard.tenancy import Key

Parameters = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Literal:
    """A value in the text itself."""

    value: Any

    def of(self, parameters: Parameters) -> Any:
        """Return the value, whatever the parameters are."""
        return self.value


@dataclass(frozen=True)
class Parameter:
    """A parameter, by its name or by its place."""

    which: str | int

    def of(self, parameters: Parameters) -> Any:
        """Return the value that the parameters have."""
        return parameters[self.which]  # type: ignore[index]  # a name of a mapping, or a place


@dataclass(frozen=True)
class Bound:
    """The bound tenant, for a row that gives none."""

    def of(self, parameters: Parameters) -> Any:
        """Return the placeholder for the tenant until the text is executed."""
        return self


Value = Literal | Parameter | Bound


@dataclass(frozen=True)
class TenantUse:
    """A tenant column in a text, whose value must be the bound tenant.

    Attributes:
        table_key: the table that is written.
        column: its tenant column.
        verb: ``"insert"`` or ``"update"``.
        given: the values in the text, one for each row; empty for new rows that store the tenant's id.
    """

    table_key: Key
    column: str
    verb: str
    given: tuple[Value, ...]

    def values(self, parameters: Any) -> list[Any]:
        """Return every value of an execution with these parameters."""
        return [value.of(one) for one in parameter_sets(parameters) for value in self.given]


@dataclass(frozen=True)
class ForeignKeyUse:
    """A foreign key in a text, which must not reference another tenant's row.

    Attributes:
        table_key: the table that is written.
        columns: the columns of the key.
        parent_key: the table that the key references.
        parent_columns: the referenced columns.
        verb: ``"insert"`` or ``"update"``.
        given: the values in the text, one tuple for each row, in the order of ``parent_columns``.
        required: NULL is refused, because the row belongs through this key.
    """

    table_key: Key
    parent_key: Key
    parent_columns: tuple[str, ...]
    verb: str
    given: tuple[tuple[Value, ...], ...]
    required: bool = False
    columns: tuple[str, ...] = ()

    def values(self, parameters: Any) -> list[tuple[Any, ...]]:
        """Return every key of an execution with these parameters, as tuples."""
        return [
            tuple(value.of(one) for value in row) for one in parameter_sets(parameters) for row in self.given
        ]


@dataclass(frozen=True)
class SettingUse:
    """A setting that ``set_config`` takes from parameters, which must be a harmless one.

    Attributes:
        name: the setting.
        local: whether it ends with the transaction.
    """

    name: Value
    local: Value

    def values(self, parameters: Any) -> list[tuple[Any, Any]]:
        """Return every setting of an execution with these parameters, and whether it is local."""
        return [(self.name.of(one), self.local.of(one)) for one in parameter_sets(parameters)]


Check = TenantUse | ForeignKeyUse | SettingUse


def parameter_sets(parameters: Any) -> list[Any]:
    """Return the parameters as a list of sets: one for a single execution, several for executemany."""
    if parameters is None:
        return [()]
    if isinstance(parameters, list) and all(isinstance(one, Mapping | tuple | list) for one in parameters):
        return parameters or [()]
    return [parameters]
