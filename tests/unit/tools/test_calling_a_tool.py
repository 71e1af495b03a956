"""Whatever a tool or a model does, the caller answers with an observation."""

import asyncio
import json
import math
from pathlib import Path

import pytest

from agent_engine.errors import RetryableError, ToolError
from agent_engine.ports import ToolTraits
from agent_engine.tools.call import Proceed, ToolCall, ToolCaller
from agent_engine.types import JsonObject, Source
from tests.fakes.tools import NOON, FakeTool, StoppedClock, returning, tool_context

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "maxLength": 5},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "loud": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["integer", "string"]},
        "mode": {"enum": ["fast", "slow"]},
        "inner": {"type": "object", "properties": {"deep": {"type": "integer"}}},
    },
    "required": ["path"],
    "additionalProperties": False,
}


def caller(*tools: FakeTool, **options) -> ToolCaller:
    return ToolCaller(tools, StoppedClock(), **options)


async def outcome_of(value: object, tmp_path: Path, **traits):
    tool = FakeTool(returning(value), traits=ToolTraits(**traits))
    return await caller(tool).call("fake", {}, tool_context(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "missing: 'path'"),
        ({"path": 5}, "path must be of type string, not integer"),
        ({"path": "a", "cuont": 1}, "unknown: 'cuont' (known: count, either, inner, loud"),
        ({"path": "a", "count": "five"}, "count must be of type integer, not string"),
        ({"path": "a", "count": "5.5"}, "count must be of type integer"),
        ({"path": "a", "count": "007"}, "count must be of type integer"),
        ({"path": "a", "count": "9" * 30}, "count must be of type integer"),
        ({"path": "a", "count": True}, "count must be of type integer, not boolean"),
        ({"path": "abcdef"}, "path must have at most 5 characters; it has 6"),
        ({"path": "a", "mode": "medium"}, "mode must be one of 'fast', 'slow', not 'medium'"),
        ({"path": "a", "inner": {"deep": "x"}}, "inner.deep must be of type integer"),
        ({"path": "a", "share": math.nan}, "not finite"),
        ({"path": "a", "count": 10**400}, "too large"),
        ({"path": "x" * 12_000_000}, "too large"),
        ({"path": ["x"] * 100_000}, "too large"),
        ({"path": b"bytes"}, "bytes, which is not JSON"),
        (["path"], "must be a JSON object, not array"),
        ("path", "must be a JSON object, not string"),
        (None, "must be a JSON object, not null"),
    ],
)
async def test_arguments_that_do_not_fit_are_an_error_that_names_the_field(
    arguments, words, tmp_path
):
    tool = FakeTool(returning({"success": True}), parameters_schema=SCHEMA)

    seen = await caller(tool).call("fake", arguments, tool_context(tmp_path))

    assert not seen.success
    assert words in (seen.error or "")
    assert seen.source is Source.ENGINE
    assert len(json.dumps(seen.content)) < 3_000
    assert tool.given == []


async def test_arguments_that_are_nested_too_deep_are_refused_without_recursion(tmp_path):
    deep: object = 1
    for _ in range(50_000):
        deep = [deep]
    tool = FakeTool(returning({"success": True}))

    seen = await caller(tool).call("fake", {"path": deep}, tool_context(tmp_path))

    assert "nested deeper" in (seen.error or "")


async def test_texts_that_can_only_mean_a_number_become_one(tmp_path):
    tool = FakeTool(returning({"success": True}), parameters_schema=SCHEMA)
    mended = {"count": -5, "share": 0.25, "loud": True, "maybe": 6, "inner": {"deep": 7}}
    texts = {"count": "-5", "share": "0.25", "loud": "true", "maybe": "6", "inner": {"deep": "7"}}

    arguments = {"path": "5", "either": "8"}
    await caller(tool).call("fake", {**arguments, **texts}, tool_context(tmp_path))

    assert tool.given == [{**arguments, **mended}]


async def test_an_unknown_tool_is_answered_with_the_nearest_names(tmp_path):
    tools = [FakeTool(returning({}), name=name) for name in ("file_operations", "calculate")]

    seen = await caller(*tools).call("file_operation", {}, tool_context(tmp_path))
    lost = await caller(*tools).call("xyzzy", {}, tool_context(tmp_path))

    assert "did you mean file_operations?" in (seen.error or "")
    assert "there are: calculate, file_operations" in (lost.error or "")


async def test_a_tool_that_is_not_allowed_is_neither_called_nor_offered(tmp_path):
    first, second = (FakeTool(returning({"success": True}), name=name) for name in ("one", "two"))
    both = caller(first, second)

    seen = await both.call("one", {}, tool_context(tmp_path), allowed=("two",))

    assert "is not one this agent may use" in (seen.error or "")
    assert first.given == []
    assert [spec.name for spec in both.specs(("two", "three"))] == ["two"]
    assert [spec.name for spec in both.specs(None)] == ["one", "two"]
    assert both.tool("one") is first
    assert both.tool("three") is None


async def test_no_tool_is_allowed_by_an_empty_list(tmp_path):
    tool = FakeTool(returning({"success": True}))

    seen = await caller(tool).call("fake", {}, tool_context(tmp_path), allowed=())

    assert not seen.success
    assert caller(tool).specs(()) == ()


async def test_two_tools_of_one_name_are_refused_at_once():
    with pytest.raises(ValueError, match="same name"):
        caller(FakeTool(returning({})), FakeTool(returning({})))


async def test_a_success_becomes_an_observation_with_its_time_and_source(tmp_path):
    seen = await outcome_of({"success": True, "text": "é", "files": ["a.txt", 3]}, tmp_path)

    assert seen.content == {"success": True, "text": "é", "files": ["a.txt", 3]}
    assert seen.observation_type == "tool_result"
    assert (seen.source, seen.timestamp, seen.outcome) == (Source.TOOL, NOON, "done")
    assert seen.files == ("a.txt",)
    assert seen.full_output is None


def cyclic() -> dict[str, object]:
    ring: dict[str, object] = {}
    ring["again"] = ring
    return ring


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "NoneType instead of a JSON object"),
        ("done", "str instead of a JSON object"),
        ([1], "list instead of a JSON object"),
        ({"success": True, "x": math.nan}, "not finite in result.x"),
        ({"success": True, "x": [math.inf]}, "not finite in result.x[0]"),
        ({"success": True, "x": b"raw"}, "bytes in result.x"),
        ({"success": True, "x": {1}}, "set in result.x"),
        ({"success": True, "x": 10**5_000}, "too large a number"),
        ({"success": True, 5: "x"}, "key that is no string"),
        ({"success": "yes"}, "does not say whether it succeeded"),
        (cyclic(), "nested deeper"),
        ({"success": True, "x": [0] * 300_000}, "more than 200000 values"),
        ({"success": False}, "failed without saying why"),
        ({"error": "no"}, "no"),
    ],
)
async def test_a_result_that_is_no_good_json_becomes_an_error(value, words, tmp_path):
    seen = await outcome_of(value, tmp_path)

    assert not seen.success
    assert words in (seen.error or "")
    json.dumps(seen.content, allow_nan=False)


async def test_a_lone_surrogate_in_a_result_is_replaced(tmp_path):
    seen = await outcome_of({"success": True, "text": "a\ud800b"}, tmp_path)

    assert seen.content["text"] == "a?b"


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (ToolError("there is no such city"), "there is no such city"),
        (RetryableError("busy"), "not available at the moment: busy"),
        (ExceptionGroup("group", [ToolError("no such city")]), "no such city"),
        (
            ExceptionGroup("group", [ToolError("a"), KeyError("b")]),
            "failed with an error of its own",
        ),
        (KeyError("secret detail"), "failed with an error of its own"),
        (RecursionError("secret detail"), "failed with an error of its own"),
        (TimeoutError("secret detail"), "failed with an error of its own"),
    ],
)
async def test_what_a_tool_raises_becomes_an_error_for_the_model(raised, words, tmp_path):
    async def act(_arguments):
        raise raised

    seen = await caller(FakeTool(act)).call("fake", {}, tool_context(tmp_path))

    assert not seen.success
    assert words in (seen.error or "")
    assert "secret detail" not in json.dumps(seen.content)
    assert seen.source is Source.TOOL


async def test_a_tool_that_hangs_is_stopped_and_told_of(tmp_path):
    stopped = asyncio.Event()

    async def act(_arguments):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    tool = FakeTool(act, traits=ToolTraits(timeout_s=0.01))
    async with asyncio.timeout(5):
        seen = await caller(tool).call("fake", {}, tool_context(tmp_path))

    assert "took longer than 0.01 s" in (seen.error or "")
    assert stopped.is_set()


async def test_cancelling_a_call_passes_through_it(tmp_path):
    started = asyncio.Event()

    async def act(_arguments):
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        work = caller(FakeTool(act)).call("fake", {}, tool_context(tmp_path))
        task = group.create_task(work)
        await started.wait()
        task.cancel()

    assert task.cancelled()


async def test_a_flood_is_cut_in_the_middle_and_kept_whole_beside(tmp_path):
    text = "first line\n" + "x" * 50_000 + "\nValueError: last line"

    seen = await outcome_of({"success": True, "stdout": text}, tmp_path, max_result_chars=2_000)

    shown = seen.content["stdout"]
    assert shown.startswith("first line")
    assert shown.endswith("ValueError: last line")
    assert "characters left out" in shown
    assert len(json.dumps(seen.content, ensure_ascii=False)) <= 2_000
    assert json.loads(seen.full_output or "")["stdout"] == text


async def test_the_cut_says_exactly_how_much_it_took(tmp_path):
    seen = await outcome_of({"success": True, "t": "a" * 9_000}, tmp_path, max_result_chars=1_000)

    head, marker, tail = seen.content["t"].partition(" … [")
    left_out, _, tail = tail.partition(" characters left out] … ")
    assert marker
    assert len(head) + int(left_out) + len(tail) == 9_000


@pytest.mark.parametrize(
    "value",
    [
        {"success": True, "items": [{"n": number} for number in range(5_000)]},
        {"success": True, "deep": {"er": {"est": ["y" * 400] * 100}}},
        {"success": True, **{f"key{number}": number for number in range(5_000)}},
        {"success": False, "error": "e" * 9_000, "k" * 5_000: "v"},
        {"success": True, "many": [["z" * 30] * 30] * 60},
        {"success": True, "quotes": '"\\\n' * 4_000},
    ],
)
async def test_every_shape_of_flood_is_bounded_and_stays_json(value, tmp_path):
    seen = await outcome_of(value, tmp_path, max_result_chars=1_000)

    assert len(json.dumps(seen.content, ensure_ascii=False)) <= 1_000
    assert seen.success is value["success"]
    assert json.loads(seen.full_output or "") == value


async def test_a_tool_may_have_words_of_its_own_and_they_stay_on_one_line(tmp_path):
    class Talking(FakeTool):
        def describe(self, _arguments, result):
            return f"found {result['n']}\nthings \u202e and\tmore"

    tool = Talking(returning({"success": True, "n": 3}))
    seen = await caller(tool).call("fake", {}, tool_context(tmp_path))

    assert seen.outcome == "found 3 things and more"


async def test_a_tool_whose_words_fail_still_gives_its_result(tmp_path):
    class Stammering(FakeTool):
        def describe(self, _arguments, _result):
            raise KeyError("n")

    tool = Stammering(returning({"success": True}))
    seen = await caller(tool).call("fake", {}, tool_context(tmp_path))

    assert seen.success
    assert seen.outcome == "done"


async def test_what_is_secret_is_taken_out_of_results_errors_and_words(tmp_path):
    class Talking(FakeTool):
        def describe(self, _arguments, _result):
            return "token is hunter2"

    async def act(arguments):
        if arguments:
            raise ToolError("the key hunter2 was refused")
        return {"success": True, "header": ["Bearer hunter2"], "hunter2": 1}

    calls = caller(Talking(act), redact=lambda text: text.replace("hunter2", "•••"))
    good = await calls.call("fake", {}, tool_context(tmp_path))
    bad = await calls.call("fake", {"fail": True}, tool_context(tmp_path))

    assert "hunter2" not in repr(good)
    assert "hunter2" not in repr(bad)
    assert good.content["header"] == ["Bearer •••"]


async def test_stages_stand_around_the_run_in_the_order_given(tmp_path):
    said: list[str] = []

    class Saying:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, call: ToolCall, proceed: Proceed) -> JsonObject:
            said.append(self.name)
            return await proceed(call)

    class Refusing:
        async def __call__(self, _call: ToolCall, _proceed: Proceed) -> JsonObject:
            raise ToolError("not without approval")

    tool = FakeTool(returning({"success": True}))
    passed = caller(tool, stages=[Saying("outer"), Saying("inner")])
    refused = caller(tool, stages=[Refusing()])

    assert (await passed.call("fake", {}, tool_context(tmp_path))).success
    seen = await refused.call("fake", {}, tool_context(tmp_path))

    assert said == ["outer", "inner"]
    assert seen.error == "not without approval"
    assert len(tool.given) == 1


async def test_a_tool_with_a_broken_schema_is_an_error_not_a_crash(tmp_path):
    tool = FakeTool(returning({}), parameters_schema={"type": "nonsense"})

    seen = await caller(tool).call("fake", {}, tool_context(tmp_path))

    assert "schema is broken" in (seen.error or "")


async def test_a_tool_that_cannot_even_tell_its_schema_is_an_error(tmp_path):
    class Mute(FakeTool):
        @property
        def parameters_schema(self):
            raise OSError("gone")

        @parameters_schema.setter
        def parameters_schema(self, value):
            del value

    seen = await caller(Mute(returning({}))).call("fake", {}, tool_context(tmp_path))

    assert "is broken and cannot be called" in (seen.error or "")


# -- tools that come and go ----------------------------------------------------------------------


class FakeSource:
    """Owns all names that begin with ``far_``; has the tools that the test gives it."""

    def __init__(self, *tools):
        self.tools = {tool.name: tool for tool in tools}

    def owns(self, name):
        return name.startswith("far_")

    def tool(self, name):
        return self.tools.get(name)

    def offered(self, allowed):
        return [tool for tool in self.tools.values() if allowed is None or tool.name in allowed]

    async def find(self, name, allowed):
        if allowed is not None and name not in allowed:
            raise ToolError(f"{name} is not for you")
        if name not in self.tools:
            raise ToolError(f"{name} has left")
        return self.tools[name]


async def test_tools_of_a_source_are_described_and_called_like_others(tmp_path):
    source = FakeSource(FakeTool(returning({"success": True}), name="far_one"))
    calls = caller(FakeTool(returning({}), name="near"), sources=[source])
    assert [spec.name for spec in calls.specs(None)] == ["near", "far_one"]
    assert [spec.name for spec in calls.specs(("far_one",))] == ["far_one"]
    assert (await calls.call("far_one", {}, tool_context(tmp_path))).success


async def test_a_tool_that_has_left_its_source_is_told_of(tmp_path):
    calls = caller(sources=[FakeSource()])
    seen = await calls.call("far_one", {}, tool_context(tmp_path))
    assert seen.content == {"success": False, "error": "far_one has left"}
    seen = await calls.call("far_one", {}, tool_context(tmp_path), allowed=("other",))
    assert seen.content["error"] == "far_one is not for you"


def test_a_tool_that_may_come_back_is_not_taken_for_one_that_can_be_repeated():
    harmless = FakeTool(returning({}), name="far_one", traits=ToolTraits(idempotent=True))
    source = FakeSource(harmless)
    calls = caller(sources=[source])
    assert calls.traits("far_one").idempotent
    source.tools.clear()
    assert not calls.traits("far_one").idempotent
    assert calls.traits("nowhere") is None
