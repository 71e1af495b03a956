"""Uses a stored result again where a tool says that it may be: same agent, same channel, same call.

Only successes are kept. It never serves what another scope asked for; what cannot be read or
written is logged and the tool called: a cache may be slow, not in the way.
"""

import logging

from agent_engine.errors import RetryableError
from agent_engine.safeguards import ToolCache
from agent_engine.tools.call import Proceed, Redact, ToolCall
from agent_engine.tools.declare import call_key
from agent_engine.tools.shorten import plain_copy
from agent_engine.types import JsonObject

logger = logging.getLogger(__name__)

FROM_CACHE = "from_cache"
"""Set in a result that was used again."""
MAX_RESULT_CHARS = 200_000
"""Larger results are not kept."""


class Caching:
    """The stage of the call path that looks for a stored result first."""

    def __init__(self, cache: ToolCache, redact: Redact) -> None:
        self._cache = cache
        self._redact = redact

    async def __call__(self, call: ToolCall, proceed: Proceed) -> JsonObject:
        """Return a stored result, or let the call proceed and store what it returns."""
        ttl_s = call.tool.traits.cache_ttl_s
        if ttl_s <= 0:
            return await proceed(call)
        key = call_key(call.tool.name, call.arguments)
        if (found := await self._found(call, key)) is not None:
            return {**found, FROM_CACHE: True}
        result = await proceed(call)
        if result.get("success") and not result.get("files"):
            await self._keep(call, key, result, ttl_s=ttl_s)
        return result

    async def _found(self, call: ToolCall, key: str) -> JsonObject | None:
        try:
            return await self._cache.find(call.context.scope, key)
        except RetryableError:
            logger.warning("tool_cache_not_read", extra={"tool": call.tool.name}, exc_info=True)
            return None

    async def _keep(self, call: ToolCall, key: str, result: JsonObject, *, ttl_s: float) -> None:
        plain = await plain_copy(result, text=self._redact)
        if len(str(plain)) > MAX_RESULT_CHARS:
            return
        try:
            await self._cache.keep(call.context.scope, key, plain, ttl_s=ttl_s)
        except RetryableError:
            logger.warning("tool_cache_not_kept", extra={"tool": call.tool.name}, exc_info=True)
