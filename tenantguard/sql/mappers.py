"""Mappers: those of every mapped class in this process, even while others are being mapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Mapper, mapperlib, registry


def all_registries() -> list[registry]:
    """Return every registry of mapped classes."""
    return list(mapperlib._all_registries())


def all_mappers() -> Iterator[Mapper[Any]]:
    """Yield the mapper of every mapped class."""
    for one in all_registries():
        yield from mappers_of(one)


def mappers_of(registry: registry) -> list[Mapper[Any]]:
    """Return the mappers of a registry.

    ``registry.mappers`` raises while one of its classes is being mapped, and for as long as one exists whose
    mapping failed.
    """
    return [manager.mapper for manager in list(registry._managers) if manager.is_mapped]
