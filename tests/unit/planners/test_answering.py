import pytest

from agent_engine.errors import ModelReplyError, ModelUnavailableError
from agent_engine.labels import NO_ANSWER_LABEL, OFFLINE_LABEL
from agent_engine.models.scripted import Expect, ScriptedModel
from agent_engine.planners.answering import (
    LLMAnswerWriter,
    OfflineAnswerWriter,
    made_files,
    record,
)
from agent_engine.ports import AnswerContext, ModelReply
from agent_engine.types import ActionType, AgentAction, StepStatus
from tests.fakes.models import done_step


def context(*steps, **fields):
    return AnswerContext(goal="the goal", steps=steps, **fields)


async def test_the_model_writes_from_goal_results_and_expectations():
    step = done_step(1, {"stdout": "391"}, expected_outcome="a number", surprise="it is odd")
    failed = done_step(2, {"success": False, "error": "disk full"}, status=StepStatus.FAILED)
    seen = ("the goal", "391", "a number", "it is odd", "disk full", "out of time")
    with ScriptedModel(Expect(reply="It is 391.", purpose="answer", containing=seen)) as model:
        answer = await LLMAnswerWriter(model).write(
            context(step, failed, incomplete_because="out of time")
        )
    assert (answer.text, answer.label) == ("It is 391.", "")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "  <think>what?</think> ",
        ModelReply(text="", refusal="I will not."),
        ModelReplyError("junk"),
    ],
)
async def test_a_model_that_says_nothing_leaves_the_labelled_record(reply):
    with ScriptedModel(reply) as model:
        answer = await LLMAnswerWriter(model).write(context(done_step(1, {"result": "2"})))
    assert answer.label == NO_ANSWER_LABEL
    assert "`1 + 1` = **2**" in answer.text


@pytest.mark.parametrize("reply", ["", ModelReplyError("junk")])
async def test_a_model_that_says_nothing_where_nothing_was_done_is_heard_of(reply):
    thought = done_step(1, action=AgentAction(action_type=ActionType.THINK))
    with ScriptedModel(reply) as model, pytest.raises(ModelReplyError, match="gave no answer"):
        await LLMAnswerWriter(model).write(context(thought))


async def test_a_model_that_is_unavailable_is_heard_of():
    with ScriptedModel(ModelUnavailableError()) as model, pytest.raises(ModelUnavailableError):
        await LLMAnswerWriter(model).write(context())


async def test_files_that_the_steps_made_are_handed_over_once():
    steps = (
        done_step(1, files=("a.txt", "b.txt")),
        done_step(2, files=("b.txt", "c.txt")),
        done_step(3, parameters={"operation": "delete", "path": "a.txt"}),
    )
    assert made_files(steps) == ("b.txt", "c.txt")
    with ScriptedModel("done") as model:
        assert (await LLMAnswerWriter(model).write(context(*steps))).files == ("b.txt", "c.txt")


async def test_the_offline_answer_is_always_labelled_and_asks_no_model():
    answer = await OfflineAnswerWriter(ScriptedModel()).write(
        context(done_step(1, {"result": "2"}))
    )
    assert answer.label == OFFLINE_LABEL
    assert answer.text == "`1 + 1` = **2**"


def step(parameters, content, **fields):
    return done_step(1, content, parameters=parameters, **fields)


RECORDS = [
    (step({"expression": "17*23"}, {"result": "391"}), "`17*23` = **391**"),
    (
        step({"operation": "write", "path": "a.txt"}, {"bytes_written": 3}),
        "Saved to `a.txt` (3 bytes).",
    ),
    (
        step({"operation": "read", "path": "a.txt"}, {"content": "hi\n"}),
        "`a.txt` holds:\n\n```\nhi\n```",
    ),
    (step({"operation": "read", "path": "a.txt"}, {"content": ""}), "`a.txt` holds:\n\n(empty)"),
    (step({"operation": "exists", "path": "a"}, {"exists": False}), "`a` does not exist."),
    (step({"operation": "delete", "path": "a"}, {}), "Deleted `a`."),
    (
        step(
            {"operation": "list", "path": "."},
            {
                "items": [
                    {"name": "a.txt", "is_file": True, "size": 3},
                    {"name": "d", "is_directory": True},
                ]
            },
        ),
        "Files in `.`:\n\n- `a.txt` (3 bytes)\n- `d/`",
    ),
    (step({"operation": "list", "path": "."}, {"items": []}), "Files in `.`:\n\n(none)"),
    (
        step({"language": "python"}, {"stdout": "1\n", "stderr": "careful"}, description="Run it"),
        "Run it:\n\n```\n1\n```\n\nErrors and warnings:\n```\ncareful\n```",
    ),
    (step({"a": "b"}, {"stdout": "a ``` b"}, description="R"), "R:\n\n````\na ``` b\n````"),
    (step({"url": "x"}, {"data": {"a": 1}}, description="Get"), 'Get:\n\n```\n{\n  "a": 1\n}\n```'),
    (step({}, {}, description="Wait"), "Wait: done."),
    (step({}, {}, description="Wait", outcome="3 s are over"), "Wait: 3 s are over"),
    (
        done_step(1, {"success": False, "error": "no *such* file"}, description="Read a",
                  status=StepStatus.FAILED),
        "**Failed:** Read a: no \\*such\\* file",
    ),
    (done_step(1, description="Later", status=StepStatus.PENDING), "**Not done:** Later"),
    (done_step(1, description="Long", status=StepStatus.STOPPED), "**Stopped:** Long"),
    (
        step({"expression": "1"}, {"result": "1"}, surprise="more was expected"),
        "`1` = **1**\n\n**Not as expected:** more was expected",
    ),
    (done_step(1, status=StepStatus.DROPPED), "Nothing was done, so there is no result."),
    (
        done_step(
            1, action=AgentAction(action_type=ActionType.ANSWER, parameters={"text": "I am"})
        ),
        "I am",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "text"), RECORDS)
def test_each_kind_of_step_has_its_words(seen, text):
    assert record(context(seen)) == text


def test_a_sum_is_shown_with_the_results_that_went_into_it():
    double = done_step(2, {"result": "84"}, parameters={"expression": "({{step1.result}}) * 2"})
    gone = done_step(3, {"result": "1"}, parameters={"expression": "{{step9.result}} + 1"})
    text = record(context(done_step(1, {"result": "42"}), double, gone))
    assert text == "`1 + 1` = **42**\n\n`(42) * 2` = **84**\n\n`{{step9.result}} + 1` = **1**"


def test_the_record_says_why_it_ends_early():
    text = record(context(done_step(1, {"result": "2"}), incomplete_because="it was stopped"))
    assert text.endswith("**Not finished:** it was stopped")


def test_a_long_output_is_shortened_and_its_end_kept():
    text = record(context(step({}, {"stdout": "x" * 50_000 + "THE END"}, description="Run")))
    assert len(text) < 5_000
    assert "THE END" in text


def test_nothing_done_is_said():
    assert record(context()) == "Nothing was done, so there is no result."


async def test_the_answer_is_told_while_it_grows_without_the_thinking():
    told = []
    with ScriptedModel("<think>is it 391?</think>It is 391.") as model:
        await LLMAnswerWriter(model).write(context(on_answer=told.append))
    assert (told[0], told[-1]) == ("", "It is 391.")


async def test_a_model_whose_thinking_only_ends_is_known_from_then_on():
    told = []
    with ScriptedModel("It may be 391.</think>Yes.", "It may be 392.</think>Yes, again.") as model:
        writer = LLMAnswerWriter(model)
        assert (await writer.write(context())).text == "Yes."
        await writer.write(context(on_answer=told.append))
    assert set(told) == {"", "Yes, again."}
