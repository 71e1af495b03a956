"""Gets JSON out of a model, whatever its endpoint can do: schema, JSON mode, or plain asking.

What was found out about the endpoint stays in ``model.dialect``. It must not step down because an
endpoint is busy or slow, and it must not hand on anything that was not validated.
"""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from agent_engine.errors import ModelRefusedError, ModelReplyError
from agent_engine.planners.reply_parsing import json_candidates, without_thinking
from agent_engine.ports import (
    Dialect,
    JsonMode,
    JsonRung,
    JsonSchemaFormat,
    ModelClient,
    ModelReply,
    ModelRequest,
    OnText,
    Role,
    Turn,
)
from agent_engine.tokens import shorten

logger = logging.getLogger(__name__)

T = TypeVar("T")

IGNORED_BEFORE_STEP_DOWN = 2
"""So many misshapen replies in a row mean that the endpoint accepts schemas and ignores them."""

_FORMAT_STATUSES = frozenset({400, 404, 422})
_PROBLEM_CHARS = 400
_QUOTED_TOKENS = 1_000


class UnfitError(Exception):
    """A reply parsed but cannot be used; the words tell the model why."""


class ShapeError(UnfitError):
    """A reply is not even of the shape that was asked for, so no server enforced it."""


class UnreadableReplyError(ModelReplyError):
    """The language model's reply could not be understood, not even after it was told why.

    Attributes:
        text: the last reply's prose without its thinking.
        refusal: the model's own words when it refused; else empty.
    """

    def __init__(self, message: str, *, text: str, refusal: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked and in which shape the reply must come."""

    turns: tuple[Turn, ...]
    """The first is the system's, the last a user's."""
    purpose: str
    reply_format: JsonSchemaFormat
    """Sent to endpoints that enforce schemas."""
    example: str
    """Good replies, a line each: what small models follow best, and all where nothing is enforced.
    """
    temperature: float = 0.1
    max_tokens: int = 2_000
    timeout_s: float = 120.0
    on_text: OnText | None = None
    """Is told the reply as it grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured(Generic[T]):
    """A reply that was understood."""

    value: T
    degraded: str = ""
    """``json_mode``, ``prompt`` or ``repaired``; empty when the schema was enough."""


Read = Callable[[Any, bool], T]
"""Makes sense of a parsed reply or raises UnfitError. The flag: the last try, so be lenient."""


async def ask(model: ModelClient, question: Question, read: Read[T]) -> Structured[T]:
    """Ask until a reply can be read: one question and, at need, one repair.

    Raises:
        UnreadableReplyError: neither reply could be read.
        ModelError: what ``ModelClient.complete`` raises.
    """
    reply, rung = await _stepping_down(model, question)
    try:
        value = _understood(reply, read, last_try=False)
    except UnfitError as problem:
        _count_ignored(model.dialect, rung, reply, problem)
        again = _repair_question(question, reply, problem, rung)
        if again.on_text is not None:
            again.on_text("")
        value = await _repaired(model, again, reply, read)
        _log(model, rung, repaired=True)
        return Structured(value=value, degraded="repaired")
    if rung is JsonRung.SCHEMA:
        model.dialect.ignored_schemas = 0
    _log(model, rung, repaired=False)
    return Structured(value=value, degraded=_DEGRADED[rung])


def check_schema(validator: Validator, value: Any) -> None:  # noqa: ANN401  # any JSON value
    """Raise ShapeError with the most telling violation, if there is any."""
    error = best_match(validator.iter_errors(value))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or "the reply"
        raise ShapeError(f"{where}: {error.message}"[:_PROBLEM_CHARS])


_LOOKS_LIKE_JSON = re.compile(r"\s*(?:```\w*\s*)?[{\[]")


def is_prose(text: str) -> bool:
    """Say whether the text can stand as an answer: there is some, and it is no broken JSON."""
    return bool(text.strip()) and _LOOKS_LIKE_JSON.match(text) is None


_DEGRADED = {JsonRung.SCHEMA: "", JsonRung.MODE: "json_mode", JsonRung.PROMPT: "prompt"}


def _repair_question(
    question: Question, reply: ModelReply, problem: UnfitError, rung: JsonRung
) -> Question:
    """Show the model its own reply and what is wrong with it."""
    said = shorten(reply.text.strip() or "(nothing)", _QUOTED_TOKENS)
    complaint = (
        f"That reply cannot be used: {problem}\n"
        "Reply again with the corrected JSON object only, no other text."
    )
    if rung is JsonRung.SCHEMA and isinstance(problem, ShapeError):
        complaint = f"{complaint}\n{_in_words(question)}"
    more = (Turn(role=Role.ASSISTANT, text=said), Turn(role=Role.USER, text=complaint))
    return replace(question, turns=(*question.turns, *more))


async def _repaired(model: ModelClient, question: Question, first: ModelReply, read: Read[T]) -> T:
    if first.refusal:
        raise UnreadableReplyError("the model refused", text="", refusal=first.refusal)
    second, rung = await _stepping_down(model, question)
    try:
        return _understood(second, read, last_try=True)
    except UnfitError as still:
        _count_ignored(model.dialect, rung, second, still)
        text = without_thinking(second.text) or without_thinking(first.text)
        message = f"the model's reply could not be understood: {still}"
        raise UnreadableReplyError(message, text=text, refusal=second.refusal) from still


def _understood(reply: ModelReply, read: Read[T], *, last_try: bool) -> T:
    problem: UnfitError | None = None
    for value in json_candidates(reply):
        try:
            return read(value, last_try)
        except UnfitError as error:
            problem = problem or error
    raise problem or ShapeError(_why_no_json(reply))


def _why_no_json(reply: ModelReply) -> str:
    if reply.refusal:
        return "it was refused"
    if reply.finish_reason == "length":
        return "it was cut off at the length limit; be shorter"
    return "it holds no JSON object" if reply.text.strip() else "it was empty"


# -- the ladder ----------------------------------------------------------------------------------


async def _stepping_down(model: ModelClient, question: Question) -> tuple[ModelReply, JsonRung]:
    """Ask on the best rung that the endpoint accepts; remember a step down once it worked."""
    rung = _usable(model.dialect, model.dialect.json_rung)
    json_mode_refused = False
    while True:
        try:
            reply = await model.complete(_request(question, rung))
        except ModelRefusedError as error:
            lower = _below(rung, model.dialect)
            if lower is None or not _is_about_format(error):
                raise
            json_mode_refused = json_mode_refused or rung is JsonRung.MODE
            rung = lower
            continue
        _remember(model.dialect, rung, json_mode_refused=json_mode_refused)
        return reply, rung


def _request(question: Question, rung: JsonRung) -> ModelRequest:
    formats: dict[JsonRung, JsonSchemaFormat | JsonMode] = {
        JsonRung.SCHEMA: question.reply_format,
        JsonRung.MODE: JsonMode(),
    }
    # A server that enforces a schema need not show it to the model: an example still does.
    shape = _example(question) if rung is JsonRung.SCHEMA else _in_words(question)
    system = Turn(role=Role.SYSTEM, text=f"{question.turns[0].text}\n\n{shape}")
    turns = (system, *question.turns[1:])
    return ModelRequest(
        turns=turns,
        purpose=question.purpose,
        temperature=question.temperature,
        max_tokens=question.max_tokens,
        reply_format=formats.get(rung),
        timeout_s=question.timeout_s,
        on_text=question.on_text,
    )


def _in_words(question: Question) -> str:
    schema = json.dumps(question.reply_format.schema, separators=(",", ":"))
    return (
        "Reply with one JSON object and nothing before or after it. "
        f"It must follow this JSON schema:\n{schema}\n{_example(question)}"
    )


def _example(question: Question) -> str:
    return f"For example:\n{question.example}"


def _is_about_format(error: ModelRefusedError) -> bool:
    words = error.message.lower()
    return error.status in _FORMAT_STATUSES or "response_format" in words or "json_schema" in words


_ORDER = (JsonRung.SCHEMA, JsonRung.MODE, JsonRung.PROMPT)


def _usable(dialect: Dialect, rung: JsonRung) -> JsonRung:
    return JsonRung.PROMPT if rung is JsonRung.MODE and dialect.skip_json_mode else rung


def _below(rung: JsonRung, dialect: Dialect) -> JsonRung | None:
    place = _ORDER.index(rung) + 1
    return _usable(dialect, _ORDER[place]) if place < len(_ORDER) else None


def _remember(dialect: Dialect, rung: JsonRung, *, json_mode_refused: bool) -> None:
    """Keep what worked; runs that share the endpoint only ever lower the rung."""
    if json_mode_refused:
        dialect.skip_json_mode = True
    if _ORDER.index(rung) > _ORDER.index(dialect.json_rung):
        dialect.json_rung = rung
        dialect.ignored_schemas = 0


def _count_ignored(
    dialect: Dialect, rung: JsonRung, reply: ModelReply, problem: UnfitError
) -> None:
    """Count a schema reply that no enforcing server can have sent."""
    excused = reply.refusal or reply.finish_reason == "length"
    if rung is not JsonRung.SCHEMA or excused or not isinstance(problem, ShapeError):
        return
    dialect.ignored_schemas += 1
    if dialect.ignored_schemas >= IGNORED_BEFORE_STEP_DOWN:
        _remember(dialect, _usable(dialect, JsonRung.MODE), json_mode_refused=False)


def _log(model: ModelClient, rung: JsonRung, *, repaired: bool) -> None:
    facts = {"model": model.name, "rung": rung.value, "repaired": repaired}
    logger.debug("structured_reply_read", extra=facts)
