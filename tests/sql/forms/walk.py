"""Walks SQLAlchemy's packages for the names of every construct, so that the table of forms can forget none.

A name is written as the table writes it: ``Select`` for a class, ``select()`` for a function of ``sqlalchemy``,
``orm.join()`` for one of ``sqlalchemy.orm``, ``sqlite.insert()`` for one of a dialect, ``Select.where`` for a
method, under the class that defines it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import sqlalchemy
from sqlalchemy import orm
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql import selectable
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.visitors import Visitable
from sqlalchemy.types import TypeEngine

PACKAGES = (
    "sqlalchemy.sql",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.mysql",
)
DIALECTS = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}
_STATEMENTS: tuple[Any, ...] = (
    sqlalchemy.Select, sqlalchemy.CompoundSelect, sqlalchemy.TextualSelect, sqlalchemy.TextClause, sqlalchemy.Insert,
    sqlalchemy.Update, sqlalchemy.Delete, sqlite.Insert, postgresql.Insert, mysql.Insert, sqlalchemy.Join,
    sqlalchemy.CTE, sqlalchemy.Subquery, sqlalchemy.Alias, sqlalchemy.Lateral, sqlalchemy.TableSample,
    sqlalchemy.TableValuedAlias, sqlalchemy.Values, selectable.ScalarValues, sqlalchemy.Exists,
    sqlalchemy.ScalarSelect, sqlalchemy.Function, sqlalchemy.Table, sqlalchemy.TableClause, orm.Query,
)  # fmt: skip
_ELEMENTS = {"ColumnElement", "ClauseElement", "SQLCoreOperations"}  # their methods make expressions


def names() -> set[str]:
    """Return the names of everything that builds, or is a part of, a statement."""
    return {*_classes(), *_functions(), *_methods()}


def _modules() -> Iterator[ModuleType]:
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    yield importlib.import_module(found.name)
            except ImportError:
                continue  # of a driver that is not installed


def _classes() -> Iterator[str]:
    """Yield the classes of elements; types, and the copies that annotations make, are left out."""
    for module in _modules():
        for made in tuple(vars(module).values()):
            if not inspect.isclass(made) or not made.__module__.startswith("sqlalchemy."):
                continue
            element = issubclass(made, Visitable | Executable) and not issubclass(made, TypeEngine)
            if element and not made.__name__.startswith("Annotated"):
                yield _class_name(made)


def _class_name(made: type) -> str:
    parts = made.__module__.split(".")
    dialect = f"{parts[2]}." if parts[1] == "dialects" and made.__name__ == "Insert" else ""
    return dialect + made.__name__


def _functions() -> Iterator[str]:
    spaces: dict[str, ModuleType] = {"": sqlalchemy, "orm.": orm}
    spaces |= {f"{name}.": module for name, module in DIALECTS.items()}
    for prefix, module in spaces.items():
        for name, found in vars(module).items():
            if not name.startswith("_") and (inspect.isfunction(found) or _makes(prefix, found)):
                yield f"{prefix}{name}()"


def _makes(prefix: str, found: Any) -> bool:
    """Tell whether a name of a dialect is a construct that is written like a function."""
    return (
        prefix not in ("", "orm.")
        and inspect.isclass(found)
        and issubclass(found, Visitable)
        and found.__name__.islower()
        and not issubclass(found, TypeEngine)
    )


def _methods() -> Iterator[str]:
    for statement in _STATEMENTS:
        for made in statement.__mro__:
            if made.__module__.startswith("sqlalchemy.") and made.__name__ not in _ELEMENTS:
                for name, found in vars(made).items():
                    if not name.startswith("_") and inspect.isfunction(found):
                        yield f"{_class_name(made)}.{name}"
