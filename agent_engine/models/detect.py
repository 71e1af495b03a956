"""Asks servers which models they have, and looks for one on this machine when none is configured.

Without being told where, it asks loopback addresses only: Ollama, LM Studio, llama-server, in that
order. Servers on this machine are asked past any proxy. What is no list of models is not taken for
one.
"""

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agent_engine.errors import ModelError, ModelRefusedError, ModelUnavailableError
from agent_engine.models.replies import error_for

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 0.3
"""For a server that may not be there at all."""
LIST_TIMEOUT_S = 5.0
"""For a server that somebody configured."""
_MAX_BYTES = 4_000_000
_OK = 200
_NO_CHAT = re.compile(
    r"embed|rerank|minilm|whisper|moderation|dall-e|transcri|stable-diffusion"
    r"|(?:^|[\W_])(?:bge|gte|e5|clip|tts|asr|sdxl|flux)(?:$|[\W_])",
    re.IGNORECASE,
)


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
    parameters: float | None = None
    """How many the model has; None when neither list nor name tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A chat model as its server lists it."""

    name: str
    parameters: float | None = None


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
        probes = [group.create_task(_quietly_listed(session, s.base_url)) for s in servers]
    for server, probe in zip(servers, probes, strict=True):
        for model in probe.result()[:1]:
            return FoundModel(
                server=server.name,
                base_url=server.base_url,
                model=model.name,
                parameters=model.parameters,
            )
    return None


async def list_chat_models(
    base_url: str, *, api_key: str | None = None, timeout_s: float = LIST_TIMEOUT_S
) -> tuple[ListedModel, ...]:
    """Return the chat models that a server lists, at least one, in its order.

    Raises:
        ModelUnavailableError: the server cannot be reached, or is busy or broken.
        ModelRefusedError: it refuses the question, or lists no chat model.
    """
    where = urlsplit(shown_url(base_url)).netloc
    # A name and password in the address go before the key, as in the client.
    uses_key = api_key and urlsplit(base_url).username is None
    headers = {"Authorization": f"Bearer {api_key}"} if uses_key else {}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(
            timeout=timeout, trust_env=not is_local(base_url), headers=headers
        ) as session:
            models = await _listed(session, base_url, secret=api_key or "")
    except (aiohttp.ClientError, TimeoutError) as error:
        message = f"the language model's server at {where} cannot be reached"
        raise ModelUnavailableError(message) from error
    if not models:
        message = f"the language model's server at {where} lists no chat model"
        raise ModelRefusedError(message, status=404)
    return models


def is_local(base_url: str) -> bool:
    """Say whether the address is this machine's own."""
    return urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1")


def shown_url(base_url: str) -> str:
    """Return the address without the name and password that may stand in it."""
    parts = urlsplit(base_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,4}(?:\.\d{1,2})?)[ _-]?([mb])(?![a-z0-9])", re.IGNORECASE)


def parameters_in(name: str) -> float | None:
    """Return how many parameters a model's name speaks of; None when it does not.

    >>> parameters_in("SmolLM2-135M-Instruct"), parameters_in("qwen2.5:0.5b")
    (135000000.0, 500000000.0)
    >>> parameters_in("gpt-5-mini"), parameters_in("mixtral-8x7b"), parameters_in("q4_k_m")
    (None, None, None)
    """
    match = _SIZE.search(name)
    if match is None:
        return None
    return float(match.group(1)) * (1e9 if match.group(2).lower() == "b" else 1e6)


# ------------------------------------------------------------------------------------------------


async def _quietly_listed(session: aiohttp.ClientSession, base_url: str) -> tuple[ListedModel, ...]:
    """Return what is listed; nothing where nobody answers."""
    try:
        return await _listed(session, base_url, secret="")
    except (aiohttp.ClientError, TimeoutError, ModelError) as error:
        # Usual: most machines run none of them.
        logger.debug("no_local_model", extra={"url": base_url, "error": type(error).__name__})
        return ()


async def _listed(
    session: aiohttp.ClientSession, base_url: str, *, secret: str
) -> tuple[ListedModel, ...]:
    url = f"{base_url.rstrip('/')}/models"
    async with session.get(url, allow_redirects=False) as response:
        body = await _body(response)
        if response.status != _OK:
            raise error_for(response.status, _parsed(body), response.headers, secret=secret)
    return tuple(model for model in _models(_parsed(body)) if is_chat_model(model.name))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; empty when it is longer than any list of models."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_BYTES:
            return b""
    return bytes(body)


def _parsed(body: bytes) -> Any:  # noqa: ANN401  # whatever came
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _models(listed: Any) -> list[ListedModel]:  # noqa: ANN401  # whatever came
    data = listed.get("data") if isinstance(listed, dict) else None
    entries = data if isinstance(data, list) else []
    return [
        ListedModel(name=entry["id"], parameters=_parameters(entry))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
    ]


def _parameters(entry: dict[str, Any]) -> float | None:
    """Return what llama.cpp says of the model's size, else what its name says."""
    meta = entry.get("meta")
    said = meta.get("n_params") if isinstance(meta, dict) else None
    if isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
        return float(said)
    return parameters_in(entry["id"])


def is_chat_model(name: str) -> bool:
    """Say whether a model of this name can be talked to, as far as a name tells."""
    return not _NO_CHAT.search(name)
