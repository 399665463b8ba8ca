"""Caches: the company is part of every key, in dogpile.cache and in Redis alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import redis
from dogpile.cache import CacheRegion, make_region

from tenantguard import current


def company_key(key: str) -> str:
    """Put the company in front of a key; NoTenantError where none is bound."""
    company = current().tenant
    return f"{len(str(company))}:{company}:{key}"  # the length keeps "a" + "b:c" and "a:b" + "c" apart


def make_company_region(**options: Any) -> CacheRegion:
    """Return a region of dogpile.cache in which each company has its own entries."""
    return make_region(key_mangler=company_key).configure(**options)


def cached(client: redis.Redis, key: str, seconds: int, create: Callable[[], Any]) -> Any:
    """Return a value from Redis, or create and keep it."""
    own = company_key(key)
    if (value := client.get(own)) is not None:
        return json.loads(value)  # type: ignore[arg-type]  # the client is a synchronous one
    value = create()
    client.set(own, json.dumps(value), ex=seconds)
    return value
