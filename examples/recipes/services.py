"""Advanced Alchemy: repositories and services as they are; its cache with the company in every key."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from advanced_alchemy.cache import CacheConfig, CacheManager
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService

from examples.recipes.caches import company_key
from examples.recipes.models import Project

T = TypeVar("T")


class CompanyCacheManager(CacheManager):
    """A cache in which each company has its own entries, lists and calls in flight."""

    def _make_key(self, key: str) -> str:
        return super()._make_key(company_key(key))

    def singleflight_sync(self, key: str, creator: Callable[[], T]) -> T:
        """Share one look-up among the threads of one company."""
        return super().singleflight_sync(company_key(key), creator)

    async def singleflight_async(self, key: str, creator: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Share one look-up among the tasks of one company."""
        return await super().singleflight_async(company_key(key), creator)


class Projects(SQLAlchemyAsyncRepositoryService[Project]):
    """The projects of the company that is bound."""

    class Repo(SQLAlchemyAsyncRepository[Project]):
        """The repository."""

        model_type = Project

    repository_type = Repo


def make_cache(**options: Any) -> CompanyCacheManager:
    """Return the cache; sessions find it as `session.info["cache_manager"]`."""
    return CompanyCacheManager(CacheConfig(**options))
