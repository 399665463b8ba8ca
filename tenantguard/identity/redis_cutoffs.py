"""Cut-offs in Redis or Valkey, shared by every process that verifies tokens."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Mapping
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.identity.cutoffs import Changes, Name
from tenantguard.identity.flights import in_asyncio
from tenantguard.identity.subscription import Ring, Subscription

# One script is one step of the server's: nobody reads a generation whose cut-offs are not all there yet. Whoever may
# not publish revokes all the same, and is heard with the next reading.
_PUT = """
local generation = redis.call('INCR', KEYS[1])
for i = 1, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[2], ARGV[i])
  if not held or tonumber(held) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], generation, ARGV[i])
  end
end
redis.pcall('PUBLISH', KEYS[1], generation)
"""
_SINCE = """
local generation = tonumber(redis.call('GET', KEYS[1]) or '0')
if generation == tonumber(ARGV[1]) then
  return {generation}
end
local found = {generation}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')) do
  found[#found + 1] = name
  found[#found + 1] = redis.call('HGET', KEYS[2], name)
end
return found
"""
_PURGE = """
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if tonumber(all[i + 1]) < tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[2], all[i])
    redis.call('ZREM', KEYS[3], all[i])
  end
end
"""


class RedisCutOffs:
    """A store of cut-offs in three Redis or Valkey keys that notifies every process of each new cut-off immediately.

    Each process that verifies tokens uses one extra connection for that. While it is lost, cut-offs are found by
    polling.

    Give the server a memory policy that evicts nothing (``noeviction``), and enable persistence: lost cut-offs come
    back only from a process that still knows them.

    Args:
        client: a ``redis.Redis``, or a ``redis.asyncio.Redis`` if all verifiers share one event loop.
        prefix: the prefix of the key names, used as a hash tag so that a cluster keeps the keys together.

    Attributes:
        subscription: the subscription to new cut-offs; ``subscription.losses`` counts how often it was lost.

    Raises:
        ConfigurationError: the argument is not a Redis client.

    Example:
        >>> from redis import Redis
        >>> store = RedisCutOffs(Redis.from_url("redis://localhost:6379/0", socket_timeout=2))
    """

    def __init__(self, client: Any, *, prefix: str = "tenantguard") -> None:
        if not callable(getattr(client, "eval", None)):
            raise ConfigurationError("RedisCutOffs needs a client: RedisCutOffs(redis.Redis.from_url(url))")
        self._client = client
        self._keys = tuple(f"{{{prefix}}}:{name}" for name in ("generation", "cutoffs", "changed"))
        self.subscription = Subscription(client, self._keys[0])

    def listen(self, ring: Ring) -> None:
        """Call ``ring`` as soon as there is a new cut-off."""
        self.subscription.keep_up(ring)

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Store cut-offs; for the same name, the later time wins."""
        told = [part for name, moment in moments.items() for part in (_text(name), repr(float(moment)))]
        await self._run(_PUT, *told)

    async def since(self, generation: int) -> Changes:
        """Return the changes since a generation; -1 returns everything."""
        number, *found = await self._run(_SINCE, generation)
        pairs = zip(found[::2], found[1::2], strict=True)
        return Changes(int(number), {Name(*json.loads(name)): float(moment) for name, moment in pairs})

    async def purge(self, before: float) -> None:
        """Delete cut-offs before a time."""
        await self._run(_PURGE, repr(float(before)))

    async def _run(self, script: str, *arguments: Any) -> Any:
        """Run a script without blocking the event loop."""
        ask = (self._client.eval, script, len(self._keys), *self._keys, *arguments)
        if inspect.iscoroutinefunction(self._client.execute_command):
            return await self._client.eval(*ask[1:])
        return await asyncio.to_thread(*ask) if in_asyncio() else self._client.eval(*ask[1:])


def _text(name: Name) -> str:
    return json.dumps([name.kind, name.value, name.issuer])
