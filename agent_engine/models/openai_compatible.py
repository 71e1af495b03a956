"""Any server that speaks the OpenAI-compatible chat API, hosted or local.

The client's plain ``post`` is used, for its typed methods walk every message of the history. Never
retries: that is ``retry.py``'s job. Importing this is as dear as ``openai_client``.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from openai import APIConnectionError, APIError, APIStatusError, AsyncStream

from agent_engine.errors import ModelError, ModelRefusedError, ModelUnavailableError
from agent_engine.models import pictures
from agent_engine.models.growing_reply import GrowingReply
from agent_engine.models.openai_client import OpenAIClient, sendable
from agent_engine.models.replies import read_reply
from agent_engine.ports import (
    Dialect,
    JsonMode,
    JsonSchemaFormat,
    ModelReply,
    ModelRequest,
    OnText,
    Role,
    Turn,
)

MAX_CONCURRENT = 64

_SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_STREAMED: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
_EVENT_STREAM = "text/event-stream"
_MAY_REFUSE_STREAMS = frozenset({400, 404, 405, 422})

_Post = Callable[[dict[str, Any]], Awaitable[object]]


class OpenAICompatibleModel:
    """One model on one server, with one shared client.

    Args:
        model: the model's name on that server.
        base_url: ends in ``/v1`` as a rule; None for OpenAI itself.
        api_key: None for servers that want none.
        native_tools: whether the server is known to call tools well; by default hosted servers
            are trusted to and servers on this machine are not.
        sees: whether the model takes images; None to try, and remember a refusal.
        max_concurrent: calls that may be under way at once; further ones wait their turn.
        shortest_timeout_s: given to every call, even one that asks for less.
        timeout_s: given to every call, whatever it asks for.
        called: what people and accounts call it; the model's name when None.
    """

    def __init__(  # noqa: PLR0913 - a keyword per trait of a server
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        native_tools: bool | None = None,
        sees: bool | None = None,
        max_concurrent: int = MAX_CONCURRENT,
        shortest_timeout_s: float = 0.0,
        timeout_s: float | None = None,
        called: str | None = None,
    ) -> None:
        self._model = model
        self._name = called or model
        self._client = OpenAIClient(base_url, api_key=api_key)
        if native_tools is None and not self._client.is_local:
            native_tools = True
        self._dialect = Dialect(native_tools=native_tools, sees=sees)
        self._shortest_timeout_s = shortest_timeout_s
        self._timeout_s = timeout_s
        self._parameters = _Parameters()
        self._turnstile = asyncio.Semaphore(max_concurrent)

    @property
    def name(self) -> str:
        """What the model is called: its name on its server unless it was given another."""
        return self._name

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return self._client.base_url

    @property
    def dialect(self) -> Dialect:
        """What was found out about the server and model."""
        return self._dialect

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once, without retries; once more without images where the server refuses them."""
        shows = self._dialect.sees is not False and any(turn.images for turn in request.turns)
        if not shows:
            return await self._asked(request, sees=False)
        try:
            reply = await self._asked(request, sees=True)
        except ModelError as error:
            if not pictures.is_about_images(error.message):
                raise
            if self._dialect.sees is None and not pictures.is_about_these_images(error.message):
                self._dialect.sees = False
        else:
            self._dialect.sees = True
            return reply
        return replace(await self._asked(request, sees=False), images_refused=True)

    async def _asked(self, request: ModelRequest, *, sees: bool) -> ModelReply:
        body = request_body(self._model, request, sees=sees)
        async with self._turnstile:
            started = time.monotonic()
            timeout_s = self._timeout_s or max(request.timeout_s, self._shortest_timeout_s)
            if request.on_text is None or self._dialect.no_streaming:
                data = await self._in_its_words(body, partial(self._post, timeout_s=timeout_s))
            else:
                data = await self._growing(body, timeout_s, request.on_text)
        took = time.monotonic() - started
        return read_reply(data, request, model=self._model, duration_s=took)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _growing(self, body: dict[str, Any], timeout_s: float, on_text: OnText) -> object:
        """Have the reply told while it grows; a server that refuses that is asked plainly."""
        streamed = partial(self._streamed, timeout_s=timeout_s, on_text=on_text)
        try:
            return await self._in_its_words({**body, **_STREAMED}, streamed)
        except ModelRefusedError as error:
            if error.status not in _MAY_REFUSE_STREAMS:
                raise
        data = await self._in_its_words(body, partial(self._post, timeout_s=timeout_s))
        self._dialect.no_streaming = True
        return data

    async def _in_its_words(self, body: dict[str, Any], post: _Post) -> object:
        """Send the body; when the model wants other parameters, learn it and send it again."""
        while True:
            sent = self._parameters.applied(body)
            try:
                return await post(sent)
            except ModelRefusedError as error:
                if not self._parameters.learn(error, sent):
                    raise

    async def _post(self, body: dict[str, Any], *, timeout_s: float) -> object:
        """Send the request and return the JSON that came."""
        return await self._client.post("/chat/completions", body, timeout_s=timeout_s)

    async def _streamed(self, body: dict[str, Any], *, timeout_s: float, on_text: OnText) -> object:
        """Send the request and return the reply once it is whole; what is told may be void."""
        is_whole = False
        try:
            with self._client.our_errors(timeout_s):
                async with asyncio.timeout(timeout_s):
                    stream = await self._client.vendor.post(
                        "/chat/completions",
                        body=body,
                        cast_to=object,
                        options={"timeout": timeout_s},
                        stream=True,
                        stream_cls=AsyncStream[object],
                    )
                    async with stream:
                        data = await self._whole(stream, GrowingReply(on_text))
            is_whole = True
        finally:
            if not is_whole:
                on_text("")
        return data

    async def _whole(self, stream: AsyncStream[object], reply: GrowingReply) -> object:
        response = stream.response
        if _EVENT_STREAM not in response.headers.get("content-type", ""):
            self._dialect.no_streaming = True
            await response.aread()
            return response.json()
        try:
            async for piece in stream:
                reply.add(piece)
        except (APIStatusError, APIConnectionError):
            raise
        except APIError as error:
            raise ModelUnavailableError("the language model's reply broke off") from error
        if not reply.is_finished:
            # A lost connection is an error before this: this server streams in a way of its own.
            self._dialect.no_streaming = True
            raise ModelUnavailableError("the language model's reply was not whole")
        return reply.completion()


# -- parameters that some models refuse ----------------------------------------------------------

REASONING_TOKENS = 6_000
"""Added where a model counts its reasoning against the reply's length."""


@dataclass(slots=True)
class _Parameters:
    """What a model wants differently from most; learnt from its refusals."""

    completion_tokens: bool = False
    """It wants ``max_completion_tokens`` for ``max_tokens``, and counts its reasoning."""
    no_temperature: bool = False
    """It refuses any temperature but its own."""

    def applied(self, body: dict[str, Any]) -> dict[str, Any]:
        if not (self.completion_tokens or self.no_temperature):
            return body
        changed = dict(body)
        if self.completion_tokens:
            changed["max_completion_tokens"] = changed.pop("max_tokens") + REASONING_TOKENS
        if self.no_temperature:
            del changed["temperature"]
        return changed

    def learn(self, error: ModelRefusedError, sent: Mapping[str, Any]) -> bool:
        """Take the refusal's hint; False when it holds none that is new."""
        if error.status != _BAD_REQUEST or not _UNSUPPORTED.search(error.message):
            return False
        hints_tokens = "max_completion_tokens" in error.message and "max_tokens" in sent
        hints_temperature = "temperature" in error.message and "temperature" in sent
        self.completion_tokens = self.completion_tokens or hints_tokens
        self.no_temperature = self.no_temperature or hints_temperature
        return hints_tokens or hints_temperature


_BAD_REQUEST = 400
_UNSUPPORTED = re.compile(
    r"unsupported|not support|does not accept|only the default", re.IGNORECASE
)


# -- requests ------------------------------------------------------------------------------------


def request_body(model: str, request: ModelRequest, *, sees: bool = True) -> dict[str, Any]:
    """Return the body to send. Raises ValueError when the history cannot be sent as it is."""
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request.turns, sees=sees),
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
    }
    match request.reply_format:
        case JsonSchemaFormat(name=name, schema=schema):
            if not _SCHEMA_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a schema")
            wanted = {"name": name, "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        case JsonMode():
            body["response_format"] = {"type": "json_object"}
        case None:
            pass
    if request.tools:
        body["tools"] = [
            _tool(tool.name, tool.description, tool.parameters_schema) for tool in request.tools
        ]
    return body


def _messages(turns: tuple[Turn, ...], *, sees: bool) -> list[dict[str, Any]]:
    """Return the turns as messages: system first, then user and assistant in turn, user last.

    Turns of one speaker in a row are joined, for some chat templates refuse them.
    """
    messages: list[dict[str, Any]] = []
    for turn in turns:
        text = sendable(turn.text if sees else "\n\n".join([turn.text, *pictures.unseen(turn)]))
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += f"\n\n{text}"
        elif turn.role is Role.SYSTEM and messages:
            raise ValueError("a system turn must come first")
        else:
            messages.append({"role": turn.role.value, "content": text})
    spoken = [m["role"] for m in messages if m["role"] != Role.SYSTEM]
    if not spoken or spoken[0] != Role.USER or spoken[-1] != Role.USER:
        raise ValueError("a history begins and ends with a user's turn")
    if sees and turns[-1].images:
        shown = map(pictures.image_part, turns[-1].images)
        messages[-1]["content"] = [{"type": "text", "text": messages[-1]["content"]}, *shown]
    return messages


def _tool(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}
