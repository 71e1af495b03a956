"""Looks for a model server on this machine: Ollama, LM Studio, llama-server, in that order.

Asks loopback addresses only, past any proxy, and takes no answer for a model that is none.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 0.3
_MAX_BYTES = 1_000_000
_NO_CHAT = ("embed", "rerank")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """Where a kind of server usually listens."""

    name: str
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A chat model on a server of this machine."""

    server: str
    base_url: str
    model: str


LOCAL_SERVERS = (
    LocalServer(name="Ollama", base_url="http://127.0.0.1:11434/v1"),
    LocalServer(name="LM Studio", base_url="http://127.0.0.1:1234/v1"),
    LocalServer(name="llama-server", base_url="http://127.0.0.1:8080/v1"),
)


async def find_local_model(
    servers: Sequence[LocalServer] = LOCAL_SERVERS, *, timeout_s: float = PROBE_TIMEOUT_S
) -> FoundModel | None:
    """Return the first server in order that lists a chat model; None when none does.

    All are asked at once, so the whole takes no longer than ``timeout_s``.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
        asyncio.TaskGroup() as group,
    ):
        probes = [group.create_task(_first_chat_model(session, s.base_url)) for s in servers]
    for server, probe in zip(servers, probes, strict=True):
        if model := probe.result():
            return FoundModel(server=server.name, base_url=server.base_url, model=model)
    return None


async def _first_chat_model(session: aiohttp.ClientSession, base_url: str) -> str | None:
    try:
        async with session.get(f"{base_url}/models", allow_redirects=False) as response:
            if response.status != 200:  # noqa: PLR2004  # HTTP's OK
                return None
            listed = json.loads(await _body(response))
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        # Usual: most machines run none of them.
        logger.debug("no_local_model", extra={"url": base_url, "error": type(error).__name__})
        return None
    return next((name for name in _names(listed) if _is_chat_model(name)), None)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError("no list of models is that long")
    return bytes(body)


def _names(listed: Any) -> list[str]:  # noqa: ANN401  # whatever came
    data = listed.get("data") if isinstance(listed, dict) else None
    entries = data if isinstance(data, list) else []
    ids = (entry.get("id") for entry in entries if isinstance(entry, dict))
    return [name for name in ids if isinstance(name, str) and name]


def _is_chat_model(name: str) -> bool:
    return not any(word in name.lower() for word in _NO_CHAT)
