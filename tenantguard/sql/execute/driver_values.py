"""Driver values: the parameters of a statement in the driver's form, after every column's bind processing.

They are read just before the statement is sent, so a computed value (a default, a callable parameter, a custom type) is
computed once, and the verified value is the one that is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from sqlalchemy.sql.visitors import iterate


def given_values(context: Any) -> Callable[[str], list[Any]]:
    """Return a function from a parameter's name to its values in the rows of a statement.

    It raises ``KeyError`` for a parameter that was rendered into the text instead.
    """
    compiled, rows = context.compiled, context.parameters
    if not compiled.positional:
        escaped = compiled.escaped_bind_names

        def by_name(name: str) -> list[Any]:
            return list(map(itemgetter(escaped.get(name, name) if escaped else name), rows))

        return by_name
    places = _places(context)

    def by_place(name: str) -> list[Any]:
        return list(map(places[name], rows))

    return by_place


def _places(context: Any) -> dict[str, itemgetter[Any]]:
    """Return a function from a parameter's name to its value in a row.

    SQLAlchemy writes the list of an IN out when a statement executes, at the end where parameters are numbered.
    """
    compiled = context.compiled
    if not (compiled.post_compile_params or compiled.literal_execute_params):
        kept = compiled.__dict__  # and not compiled.tg, which all statements of a bypass share
        known: dict[str, itemgetter[Any]] | None = kept.get("tg_places")
        if known is None:
            kept["tg_places"] = known = _numbered(compiled.positiontup)
        return known
    expanded = context._expanded_parameters
    found: list[str] = []
    last: list[str] = []
    for name in compiled.positiontup:
        if name in expanded:
            (last if compiled._numeric_binds else found).extend(expanded[name])
        elif compiled.binds[name] not in compiled.literal_execute_params:
            found.append(name)
    return _numbered(found + last)


def _numbered(names: list[str]) -> dict[str, itemgetter[Any]]:
    return {name: itemgetter(place) for place, name in enumerate(names)}


def given_rows(context: Any) -> list[Any]:
    """Return the rows of parameters by name, in the driver's form."""
    values = given_values(context)
    names = list(context.compiled_parameters[0])
    found: list[dict[str, Any]] = [{} for _ in context.parameters]
    for name in names:
        try:
            column = values(name)
        except KeyError:
            continue
        for row, value in zip(found, column, strict=True):
            row[name] = value
    return found


def values_again(context: Any, criteria: Iterable[Any], place: int) -> dict[str, Any]:
    """Return the values of plain conditions in a set of parameters, by the parameters' keys, to evaluate them again."""
    parts = {part for clause in criteria for part in iterate(clause)}
    given = with_whole_lists(context, context.compiled_parameters[place])
    names = {bind.key: name for bind, name in context.compiled.bind_names.items() if bind in parts}
    return {key: given[name] for key, name in names.items()}


def with_whole_lists(context: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return a set of parameters with each list of an IN as the caller gave it, not an entry for each element."""
    whole = dict(row)
    for name, parts in context._expanded_parameters.items():
        values = [whole.pop(part) for part in parts]
        kinds = getattr(context.compiled.binds[name].type, "types", None)  # of a list of tuples
        whole[name] = list(zip(*[iter(values)] * len(kinds), strict=True)) if kinds else values
    return whole
