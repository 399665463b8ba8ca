"""Given values: the parameters of a statement as its driver takes them, after every column's own bind processing.

They are read when the statement is about to be sent, so a value that is computed (a default, a callable parameter, a
type of the user's own) is computed once, and what is verified is what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from sqlalchemy.sql.visitors import iterate


def given_values(context: Any) -> Callable[[str], list[Any]]:
    """Return what finds the values that the rows of a statement give for a parameter, by its name.

    It raises ``KeyError`` for a parameter that was written into the text instead.
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
    """Return what finds the value of a parameter in a row, by its name.

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
    """Return the rows of parameters by name, as the driver takes them."""
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
    """Return what a set of parameters gives for plain conditions, by the parameters' keys, to ask them again."""
    parts = {part for clause in criteria for part in iterate(clause)}
    given, lists = context.compiled_parameters[place], context._expanded_parameters
    names = {bind.key: name for bind, name in context.compiled.bind_names.items() if bind in parts}
    return {
        key: [given[one] for one in lists[name]] if name in lists else given[name]
        for key, name in names.items()
    }
