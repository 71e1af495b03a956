"""Reads what an OpenAI-compatible server sent, replies and errors alike; knows no client.

Tolerant where servers differ, and never silent: what makes no sense is a ModelReplyError.
"""

import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from agent_engine.errors import (
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelUnavailableError,
)
from agent_engine.ports import ModelReply, ModelRequest, ToolRequest
from agent_engine.tokens import estimate_tokens

MESSAGE_CHARS = 300
"""What is kept of a server's own sentence."""

_TRANSIENT = frozenset({408, 409, 425, 429})
_FIRST_SERVER_ERROR = 500


class ModelTimeoutError(ModelUnavailableError):
    """The language model took too long; asking again costs it as much again."""


class ModelBusyError(ModelUnavailableError):
    """The language model's server asks to wait: it is alive and answers."""


# -- replies -------------------------------------------------------------------------------------


def read_reply(data: object, request: ModelRequest, *, model: str, duration_s: float) -> ModelReply:
    """Return the reply in a completion's JSON. Raises ModelReplyError when there is none."""
    if not isinstance(data, Mapping):
        raise ModelReplyError("the language model's server sent something that is no JSON object")
    choice = _first(data.get("choices"))
    if choice is None:
        raise ModelReplyError(f"the language model sent no reply{_reason(data)}")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise ModelReplyError("the language model's reply holds no message")
    text = text_of(message.get("content"))
    calls = _calls(message)
    prompt_tokens, completion_tokens = _usage(data.get("usage"))
    estimated = completion_tokens is None or prompt_tokens is None
    if prompt_tokens is None:
        prompt_tokens = sum(estimate_tokens(turn.text) for turn in request.turns)
    if completion_tokens is None:
        written = text + "".join(call.arguments for call in calls)
        completion_tokens = estimate_tokens(written + text_of(message.get("reasoning_content")))
    return ModelReply(
        text=text,
        tool_requests=calls,
        finish_reason=str(choice.get("finish_reason") or "stop"),
        refusal=text_of(message.get("refusal")),
        model=str(data.get("model") or model),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        estimated=estimated,
        duration_s=duration_s,
    )


def _first(choices: object) -> Mapping[str, Any] | None:
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return choices[0]
    return None


def _reason(data: Mapping[str, Any]) -> str:
    """Return the error that some servers send with status 200, as the end of a sentence."""
    sentence = _sentence(data)
    return f": {sentence}" if sentence else ""


def text_of(content: object) -> str:
    """Return text however it comes: a string, null, or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
    return "".join(part for part in parts if isinstance(part, str))


def _calls(message: Mapping[str, Any]) -> tuple[ToolRequest, ...]:
    listed = message.get("tool_calls")
    calls = listed if isinstance(listed, list) else []
    functions = [call.get("function") for call in calls if isinstance(call, Mapping)]
    if isinstance(message.get("function_call"), Mapping):
        functions.append(message["function_call"])
    return tuple(
        ToolRequest(name=str(function.get("name") or ""), arguments=_arguments(function))
        for function in functions
        if isinstance(function, Mapping)
    )


def _arguments(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments")
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _usage(usage: object) -> tuple[int | None, int | None]:
    if not isinstance(usage, Mapping):
        return None, None
    return count_told(usage.get("prompt_tokens")), count_told(usage.get("completion_tokens"))


def count_told(value: object) -> int | None:
    """Return how many tokens a server says it took; None where it says no such thing."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


# -- errors --------------------------------------------------------------------------------------


def error_for(
    status: int, body: object, headers: Mapping[str, str], *, secret: str = ""
) -> ModelError:
    """Return our error for a server's refusal, with the server's sentence but never the key."""
    sentence = _sentence(body, secret)
    said = f" (HTTP {status}): {sentence}" if sentence else f" (HTTP {status})"
    if status in _TRANSIENT or status >= _FIRST_SERVER_ERROR:
        kind = ModelBusyError if status == 429 else ModelUnavailableError  # noqa: PLR2004  # HTTP
        message = f"the language model does not answer at the moment{said}"
        return kind(message, retry_after_s=retry_after_s(headers, body))
    return ModelRefusedError(f"the language model's server refused{said}", status=status)


def retry_after_s(headers: Mapping[str, str], body: object = None) -> float | None:
    """Return how long the server asks to wait; None when it does not say."""
    if milliseconds := _number(headers.get("retry-after-ms")):
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return _asked_in_words(_sentence(body))
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - time.time())


_IN_WORDS = re.compile(r"(?:try again|retry) in (\d{1,5}(?:\.\d+)?)\s*(ms|s)\b", re.IGNORECASE)


def _asked_in_words(sentence: str) -> float | None:
    match = _IN_WORDS.search(sentence)
    if match is None:
        return None
    return float(match.group(1)) / (1000 if match.group(2).lower() == "ms" else 1)


def _number(value: str | None) -> float | None:
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*", value or "")
    return float(match.group(1)) if match else None


def _sentence(body: object, secret: str = "") -> str:
    """Return the server's own words in an error's body, on one line and without keys."""
    found: object = body
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        found = found.get("error") or found.get("message") or found.get("detail") or ""
    if isinstance(found, Sequence) and not isinstance(found, str):
        found = json.dumps(found)
    words = _without_secret(" ".join(str(found or "").split()), secret)
    return words if len(words) <= MESSAGE_CHARS else f"{words[:MESSAGE_CHARS]}…"


_KEY_LIKE = re.compile(r"\b(?:sk|pk|key|gsk|xai)-[\w*.-]{6,}|\bBearer\s+\S+", re.IGNORECASE)


def _without_secret(sentence: str, secret: str) -> str:
    """Remove keys: hosted servers quote parts of a wrong key in their refusal."""
    if secret and secret in sentence:
        sentence = sentence.replace(secret, "[key]")
    return _KEY_LIKE.sub("[key]", sentence)
