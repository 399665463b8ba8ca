"""Declarations of how tables belong, in the arguments of ``Tenancy(...)`` and on the models."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import MetaData, Table

from tenantguard.errors import ConfigurationError
from tenantguard.placements.permissions import Permitted
from tenantguard.placements.placement import RowRule, Shared, Through, shared, shared_writable
from tenantguard.placements.proposals import nearest

_PART = r"""(?:[^\W\d][\w$]*|"(?:[^"]|"")+"|`(?:[^`]|``)+`)"""
_FUNCTION = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")


@dataclass(frozen=True)
class Declared:
    """The arguments of a tenancy that name tables; see ``tenantguard.Tenancy``."""

    columns: Mapping[str, str]
    through: Mapping[str, str]
    shared: frozenset[str]
    shared_writable: frozenset[str]
    openly_shared: frozenset[str]
    nullable: frozenset[str]
    visible: Mapping[str, RowRule]
    changeable: Mapping[str, frozenset[str]]
    permissions: Mapping[str, Permitted]

    @classmethod
    def of(cls, **given: Any) -> Declared:
        """Return the arguments as given, or raise an error about their form.

        Raises:
            ConfigurationError: an argument is a string instead of a set, or a set instead of a dictionary.
        """
        changeable = _pairs(given["changeable"], "changeable")
        return cls(
            columns=_pairs(given["columns"], "columns"),
            through=_pairs(given["through"], "through"),
            shared=names_of(given["shared"], "shared"),
            shared_writable=names_of(given["shared_writable"], "shared_writable"),
            openly_shared=names_of(given["openly_shared"], "openly_shared"),
            nullable=names_of(given["nullable"], "nullable"),
            visible=_pairs(given["visible"], "visible"),
            changeable={
                table: names_of(said, f'changeable["{table}"]') for table, said in changeable.items()
            },
            permissions={
                table: Permitted.of(table, said)
                for table, said in _pairs(given["permissions"], "permissions").items()
            },
        )

    def unknown(self, known: Collection[str]) -> Iterator[str]:
        """Yield a sentence for each name that does not name a table."""
        for field in fields(self):
            for name in sorted(getattr(self, field.name), key=str):
                if name not in known:
                    yield (
                        f"{field.name} names {name!r}, which is not a table of the metadata{nearest(str(name), known)}"
                    )

    def said(self, name: str, table: Table) -> set[Any] | str:
        """Return all declarations for a table, or a sentence about an invalid one."""
        said: set[Any] = set()
        if name in self.columns:
            said.add((self.columns[name],))
        if name in self.through:
            said.add(Through(self.through[name]))
        if name in self.shared:
            said.add(shared)
        if name in self.shared_writable:
            said.add(shared_writable)
        info = table.info.get("tenant")
        if isinstance(info, str):
            said.add((info,))
        elif isinstance(info, Through | Shared):
            said.add(info)
        elif info is not None:
            return f'{name}: info["tenant"] is {info!r}; use a column name, through("fk") or shared'
        return said

    def misplaced(self, name: str, kind: str) -> str | None:
        """Return a sentence about a declaration that does not fit how the table belongs, or ``None``."""
        if name in self.nullable and kind != "owned":
            return f"nullable names {name!r}, which is not owned"
        if name in self.visible and kind not in ("owned", "shown"):
            return f"visible names {name!r}, which is not owned"
        if name in self.changeable and kind != "shown":
            return f"changeable names {name!r}, which is not placed by a row rule alone"
        if name in self.openly_shared and kind != "shared":
            return f"openly_shared names {name!r}, which is not among the shared tables"
        return None


def names_of(names: Collection[str], argument: str) -> frozenset[str]:
    """Return names as a set; if they are a single string, explain what was probably meant.

    Raises:
        ConfigurationError: they are a single string.
    """
    if isinstance(names, str):
        raise ConfigurationError(
            f'{argument}="{names}" is one string; give a set of names: {argument}={{"{names}"}}'
        )
    return frozenset(names)


def functions_of(names: Collection[str]) -> frozenset[str]:
    """Return the names of functions.

    Raises:
        ConfigurationError: one of them is not the name of a function.
    """
    declared = names_of(names, "functions")
    for name in declared:
        if not isinstance(name, str) or _FUNCTION.fullmatch(name) is None:
            raise ConfigurationError(
                f"functions names {name!r}, which is not the name of a function; give its full name, as it is called: "
                'functions={"slugify", "shop.price"}'
            )
    return declared


def metadata_of(given: object) -> MetaData:
    """Return a MetaData.

    Raises:
        ConfigurationError: the object is something else, such as the declarative base.
    """
    if not isinstance(given, MetaData):
        raise ConfigurationError(f"Tenancy() takes MetaData, such as Base.metadata, not {given!r}")
    return given


def _pairs(pairs: Mapping[str, Any] | None, argument: str) -> dict[str, Any]:
    if pairs is not None and not isinstance(pairs, Mapping):
        raise ConfigurationError(
            f'{argument} is a dictionary, one entry per table: {argument}={{"table": ...}}'
        )
    return dict(pairs or {})
