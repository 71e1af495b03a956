"""A server that speaks the OpenAI-compatible chat API and says what a script tells it.

It is strict where hosted servers are: a schema that they would refuse is refused here, too. As a
process: ``python -m tests.fakes.openai_server --port 8099 --script fibonacci --latency-ms 200``.
"""

import argparse
import asyncio
import base64
import json
import re
import string
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from tests.fakes.openai_pieces import Pieces

MODEL = "fake-model"
Body = dict[str, Any]


class Formats(StrEnum):
    """What the server does about ``response_format``."""

    ENFORCED = "enforced"
    NO_SCHEMA = "no_schema"
    """400 for a JSON schema; JSON mode works."""
    NO_JSON_MODE = "no_json_mode"
    """400 for JSON mode, as LM Studio answers it; schemas work."""
    NONE = "none"
    """400 for any response_format."""
    IGNORED = "ignored"
    """Accepts all and keeps none."""


class Streams(StrEnum):
    """What the server does about ``stream``."""

    SPOKEN = "spoken"
    REFUSED = "refused"
    """400 for a request that wants its reply in pieces."""
    IGNORED = "ignored"
    """The reply comes whole whatever was asked for."""
    UNFINISHED = "unfinished"
    """In pieces, but the end is never told."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Keep a streamed reply back after so many characters until somebody lets it go on."""

    after: int
    go_on: asyncio.Event
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class Says:
    text: str | list[dict[str, Any]] | None
    finish_reason: str = "stop"
    usage: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    """Further keys of the message: refusal, reasoning_content …"""
    holds: Sequence[Hold] = ()
    breaks_off: str = ""
    """After the text a streamed reply ends by ``drop`` of the connection or an ``error`` event."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    calls: Sequence[tuple[str, str]]
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fails:
    status: int
    message: str = "that went wrong"
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A body that is no chat completion, with status 200."""

    body: str


class Drops:
    """Closes the connection without an answer."""


class Hangs:
    """Answers only when the server closes."""


@dataclass(frozen=True, kw_only=True)
class Embeds:
    """Vectors, a list of numbers or base64 for each text; ``indexes`` in the order they come."""

    vectors: Sequence[Any]
    indexes: Sequence[Any] | None = None
    usage: bool = True


Failure = Fails | Raw | Drops | Hangs
Reply = Says | Calls | Failure
Script = Callable[[Body, int], Reply]
EmbeddingScript = Callable[[Body, int], Embeds | Failure]


def as_json(value: object) -> Says:
    return Says(text=json.dumps(value))


def fenced(value: object) -> Says:
    return Says(
        text=f"Sure! Here it is:\n```json\n{json.dumps(value, indent=1)}\n```\nAnything else?"
    )


def in_order(*replies: Reply) -> Script:
    return lambda _body, index: replies[min(index, len(replies) - 1)]


def letter_vectors(body: Body, _index: int) -> Embeds:
    """Count letters, so that texts that share some are near to each other; base64 if asked."""
    letters = string.ascii_lowercase[: body.get("dimensions", 9) - 1]
    rows = [[1.0, *(float(text.lower().count(c)) for c in letters)] for text in body["input"]]
    if body.get("encoding_format") == "base64":
        packed = (struct.pack(f"<{len(row)}f", *row) for row in rows)
        return Embeds(vectors=[base64.b64encode(row).decode() for row in packed])
    return Embeds(vectors=rows)


class OpenAIServer:
    """Plays a script and records the bodies and headers it was sent."""

    def __init__(
        self,
        script: Script,
        *,
        formats: Formats = Formats.ENFORCED,
        streams: Streams = Streams.SPOKEN,
        latency_s: float = 0.0,
        piece_s: float = 0.0,
    ) -> None:
        self.streams = streams
        self.piece_s = piece_s
        self.script = script
        self.formats = formats
        self.latency_s = latency_s
        self.embeds: EmbeddingScript = letter_vectors
        self.embedding_bodies: list[Body] = []
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.models = [MODEL]
        self.in_flight = 0
        self.most_in_flight = 0
        self.closing = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        return app

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        """Serve, and yield the base URL."""
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            self.closing.set()
            await runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        index = len(self.bodies)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            refusal = self._format_refusal(body.get("response_format"))
            if body.get("stream") and self.streams is Streams.REFUSED:
                refusal = Fails(status=400, message="this server does not stream")
            return await self._answer(request, body, refusal or self.script(body, index))
        finally:
            self.in_flight -= 1

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        index = len(self.embedding_bodies)
        self.embedding_bodies.append(body)
        self.headers.append(dict(request.headers))
        reply = self.embeds(body, index)
        if not isinstance(reply, Embeds):
            return await self._answer(request, body, reply)
        indexes = range(len(reply.vectors)) if reply.indexes is None else reply.indexes
        data = [
            {"object": "embedding", "index": at, "embedding": vector}
            for at, vector in zip(indexes, reply.vectors, strict=True)
        ]
        answer: Body = {"object": "list", "data": data, "model": body["model"]}
        if reply.usage:
            answer["usage"] = {"prompt_tokens": 5 * len(data), "total_tokens": 5 * len(data)}
        return web.json_response(answer)

    def _format_refusal(self, wanted: dict[str, Any] | None) -> Fails | None:
        kind = wanted["type"] if wanted else "text"
        refused = {
            Formats.NO_SCHEMA: {"json_schema"},
            Formats.NO_JSON_MODE: {"json_object"},
            Formats.NONE: {"json_schema", "json_object"},
        }.get(self.formats, set())
        if kind in refused:
            return Fails(status=400, message=f"'response_format.type' {kind} is not supported")
        if wanted and kind == "json_schema" and self.formats is not Formats.IGNORED:
            schema = wanted["json_schema"]["schema"]
            if problem := next(strict_problems(schema), None):
                return Fails(status=400, message=f"Invalid schema for response_format: {problem}")
        return None

    async def _answer(self, request: web.Request, body: Body, reply: Reply) -> web.StreamResponse:
        match reply:
            case Fails():
                error = json.dumps({"error": {"message": reply.message, "type": "error"}})
                return web.Response(
                    status=reply.status,
                    text=error if reply.raw is None else reply.raw,
                    content_type="application/json",
                    headers=reply.headers,
                )
            case Raw():
                return web.Response(text=reply.body, content_type="application/json")
            case Drops():
                if request.transport is not None:
                    request.transport.close()
                return web.Response()
            case Hangs():
                await self.closing.wait()
                return web.Response(status=503)
            case Says() | Calls():
                whole = self._completion(body, reply)
                wants_pieces = body.get("stream") and self.streams is not Streams.IGNORED
                if whole.status != 200 or not wants_pieces:
                    return whole
                return await self._in_pieces(request, body, reply, json.loads(whole.text))

    async def _in_pieces(
        self, request: web.Request, body: Body, reply: Says | Calls, whole: Body
    ) -> web.StreamResponse:
        """Send the reply as server-sent events, a few characters in each."""
        pieces = Pieces(body, whole, pause_s=self.piece_s)
        with suppress(ConnectionError):  # whoever asked may be dead
            await pieces.response.prepare(request)
            await pieces.send_text(reply.holds if isinstance(reply, Says) else ())
            if isinstance(reply, Says) and reply.breaks_off:
                return await pieces.break_off(request, reply.breaks_off)
            await pieces.send_rest()
            return await pieces.finish(tells_end=self.streams is not Streams.UNFINISHED)
        return pieces.response

    def _completion(self, body: Body, reply: Says | Calls) -> web.Response:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        finish = "tool_calls"
        usage = True
        if isinstance(reply, Calls):
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
                for i, (n, a) in enumerate(reply.calls)
            ]
        else:
            message |= reply.more
            finish, usage = reply.finish_reason, reply.usage
            if problem := self._broken_schema(body, reply):
                return web.json_response({"error": {"message": problem}}, status=500)
        choice = {"index": 0, "message": message, "finish_reason": finish}
        answer: Body = {"id": "x", "object": "chat.completion", "model": MODEL, "choices": [choice]}
        if usage:
            answer["usage"] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return web.json_response(answer)

    def _broken_schema(self, body: Body, reply: Says) -> str | None:
        """Say how a scripted reply breaks the schema that this server claims to enforce."""
        wanted = body.get("response_format") or {}
        enforced = self.formats in (Formats.ENFORCED, Formats.NO_JSON_MODE)
        if not enforced or wanted.get("type") != "json_schema" or "refusal" in reply.more:
            return None
        if not isinstance(reply.text, str) or reply.finish_reason == "length":
            return None
        schema = wanted["json_schema"]["schema"]
        error = next(Draft202012Validator(schema).iter_errors(json.loads(reply.text)), None)
        return f"the script breaks the schema: {error.message}" if error else None


_ALLOWED = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "description",
     "maxItems", "minItems", "minimum", "maximum"}
)  # fmt: skip


def strict_problems(schema: Any, path: str = "root") -> Iterator[str]:
    """Yield what hosted servers refuse in a strict schema."""
    for key in schema.keys() - _ALLOWED:
        yield f"{path}: {key} is not permitted"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"{path}: additionalProperties must be false"
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            yield f"{path}: required must name every key"
        for name, inner in schema.get("properties", {}).items():
            yield from strict_problems(inner, f"{path}.{name}")
    if schema.get("type") == "array":
        yield from strict_problems(schema["items"], f"{path}[]")


# -- scripts -------------------------------------------------------------------------------------

FIBONACCI_PROBLEM = (
    "Write a Python script that prints the first 15 Fibonacci numbers, run it, and save the output "
    "to fib.txt"
)
_FIBONACCI_CODE = "a, b = 0, 1\nfor _ in range(15):\n    print(a)\n    a, b = b, a + b\n"


def fibonacci(body: Body, _index: int) -> Reply:
    """Plan, judge, answer and go step by step for the Fibonacci problem, on every rung."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "You make the plan" in system:
        first = int(re.search(r"the first is (\d+)", system)[1])
        return as_json(_fibonacci_plan(first))
    if "You go on with a task" in system:
        return as_json({**_EMPTY_PLAN, "mode": "done"})
    if "You compare" in system:
        cases = [int(n) for n in re.findall(r"^Case (\d+)$", user, re.MULTILINE)]
        fits = [{"case": n, "met": True, "sentence": "It fits."} for n in cases]
        return as_json({"verdicts": fits})
    if "step by step" in system:
        return _fibonacci_step(body, user)
    return Says(text="The first 15 Fibonacci numbers are in `fib.txt`: 0, 1, 1, 2, 3, 5, 8, 13, …")


_EMPTY_PLAN: Body = {"mode": "plan", "answer": "", "question": "", "choices": [], "steps": []}


def _pairs(arguments: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in arguments.items()]


def _fibonacci_calls(first: int) -> list[tuple[str, str, dict[str, str]]]:
    run = {"language": "python", "code": _FIBONACCI_CODE}
    save = {"operation": "write", "path": "fib.txt", "content": f"{{{{step{first}.stdout}}}}"}
    return [
        ("Write and run the script", "code_execution", run),
        ("Save the output to fib.txt", "file_operations", save),
    ]


def _fibonacci_plan(first: int) -> Body:
    steps = [
        {
            "step": first + i,
            "description": description,
            "action": "use_tool",
            "tool": tool,
            "arguments": _pairs(arguments),
            "depends_on": [first] if i else [],
            "expected_outcome": "the 15 numbers" if i == 0 else "the file is written",
            "check": "contains" if i == 0 else "succeeds",
            "check_value": "377" if i == 0 else "",
        }
        for i, (description, tool, arguments) in enumerate(_fibonacci_calls(first))
    ]
    return {**_EMPTY_PLAN, "steps": steps}


def _fibonacci_step(body: Body, user: str) -> Reply:
    done = len(re.findall(r"^step \d+ done", user, re.MULTILINE))
    calls = _fibonacci_calls(1)
    if done < len(calls):
        description, tool, arguments = calls[done]
        return _one_call(body, description, tool, arguments)
    return _final(body, "The numbers are in `fib.txt`.")


def echo5(body: Body, _index: int) -> Reply:
    """Call the first tool five times, one after the other, then answer; for benchmarks."""
    messages = body["messages"]
    text = messages[-1]["content"] or ""
    done = sum(m["role"] == "tool" for m in messages)
    if isinstance(text, str):
        done += len(re.findall(r"^step \d+ (?:done|failed)", text, re.MULTILINE))
    if done >= 5:
        return _final(body, "done")
    name = body["tools"][0]["function"]["name"] if body.get("tools") else "echo"
    return _one_call(body, f"Echo {done}", name, {"text": f"hello {done}"})


def _one_call(body: Body, description: str, tool: str, arguments: dict[str, str]) -> Reply:
    if body.get("tools"):
        return Calls(calls=[(tool, json.dumps(arguments))])
    action = {"description": description, "action": "use_tool", "tool": tool, "text": ""}
    return as_json({**action, "arguments": _pairs(arguments)})


def _final(body: Body, text: str) -> Reply:
    if body.get("tools"):
        return Says(text=text)
    action = {"description": "Answer", "action": "answer", "tool": "", "arguments": []}
    return as_json({**action, "text": text})


def direct(body: Body, _index: int) -> Reply:
    """Answer at once whatever is asked; for benchmarks."""
    if "You make the plan" in body["messages"][0]["content"]:
        return as_json({**_EMPTY_PLAN, "mode": "answer", "answer": "Hello."})
    return _final(body, "Hello.")


def five_steps(body: Body, _index: int) -> Reply:
    """Five sums, each after the one before: planned at once or step by step; for benchmarks."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "You make the plan" in system:
        first = int(re.search(r"the first is (\d+)", system)[1])
        return as_json({**_EMPTY_PLAN, "steps": [_sum_step(first, i) for i in range(5)]})
    if "You go on with a task" in system:
        return as_json({**_EMPTY_PLAN, "mode": "done"})
    if "You compare" in system:
        cases = [int(n) for n in re.findall(r"^Case (\d+)$", user, re.MULTILINE)]
        return as_json({"verdicts": [{"case": n, "met": True, "sentence": "Yes."} for n in cases]})
    if "step by step" in system:
        done = len(re.findall(r"^step \d+ (?:done|failed)", user, re.MULTILINE))
        if done < 5:
            return _one_call(body, f"Sum {done}", "calculate", {"expression": f"{done} + 1"})
        return _final(body, "The sums are 1 to 5.")
    return Says(text="The sums are 1 to 5.")


def _sum_step(first: int, i: int) -> Body:
    return {
        "step": first + i,
        "description": f"Sum {i}",
        "action": "use_tool",
        "tool": "calculate",
        "arguments": _pairs({"expression": f"{i} + 1"}),
        "depends_on": [first + i - 1] if i else [],
        "expected_outcome": "a whole number",
        "check": "judge",
        "check_value": "",
    }


SCRIPTS: dict[str, Script] = {
    "fibonacci": fibonacci,
    "echo5": echo5,
    "direct": direct,
    "five_steps": five_steps,
}


async def _serve(arguments: argparse.Namespace) -> None:
    server = OpenAIServer(
        SCRIPTS[arguments.script],
        formats=Formats(arguments.formats),
        latency_s=arguments.latency_ms / 1000,
    )
    async with server.running(arguments.port) as base_url:
        print(base_url, flush=True)  # noqa: T201  # the caller reads the address
        await server.closing.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--script", choices=sorted(SCRIPTS), default="fibonacci")
    parser.add_argument("--formats", choices=[f.value for f in Formats], default="enforced")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
