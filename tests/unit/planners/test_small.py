"""The planner and the writer for very small models."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.errors import ModelReplyError
from agent_engine.labels import RECORD_LABEL, SMALL_MODEL_LABEL
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.small import SmallModelPlanner
from agent_engine.planners.small_answering import SmallModelAnswerWriter
from agent_engine.ports import AnswerContext, PlanningContext, Role
from agent_engine.tokens import estimate_tokens
from agent_engine.types import ActionType, Check, PersonMessage, StepStatus, UserId
from tests.fakes.models import CALCULATE, TOOLS, done_step, plan_of, results

PROGRAM = "Write a Python script that prints 7, run it, and save the output to seven.txt"
CONTEXT = PlanningContext(agent_name="Treadle")


async def planned(goal, *replies, context=CONTEXT, tools=TOOLS):
    with ScriptedModel(*replies) as model:
        return await SmallModelPlanner(model).create_plan(goal, context, tools), model


async def replanned(*replies, goal=PROGRAM, seen=(), plan=None, context=CONTEXT):
    plan = plan or plan_of(*seen)
    context = replace(context, goal=goal, next_step=len(plan.steps) + 1)
    with ScriptedModel(*replies) as model:
        planner = SmallModelPlanner(model)
        return await planner.replan(plan, results(*seen), context, TOOLS), model


def ran(number, code, surprise=None, **content):
    return done_step(
        number,
        content,
        tool_name="code_execution",
        parameters={"language": "python", "code": code},
        surprise=surprise,
    )


async def test_what_rules_understand_is_planned_without_the_model():
    proposal, model = await planned("calculate 17*23 then save the result to answer.txt")
    assert [action.tool_name for action in proposal] == ["calculate", "file_operations"]
    assert not model.requests


async def test_a_plain_question_is_answered_by_the_model_in_one_short_call():
    proposal, model = await planned("what is the capital of France?", "Paris.")
    assert [(a.action_type, a.parameters) for a in proposal] == [
        (ActionType.ANSWER, {"text": "Paris."})
    ]
    (asked,) = model.requests
    assert asked.reply_format is None
    assert sum(estimate_tokens(turn.text) for turn in asked.turns) < 60


async def test_a_question_in_a_thread_is_asked_with_what_was_said_before_it():
    said = PersonMessage(
        id="1",
        author=UserId("U1"),
        text="what is the capital of France?",
        sent_at=datetime.now(UTC),
    )
    context = replace(CONTEXT, conversation=(said,), earlier_answers=("Paris.",))
    _, model = await planned("and of Spain?", "Madrid.", context=context)
    turns = model.requests[0].turns
    assert [turn.role for turn in turns] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER]
    assert [turn.text for turn in turns[1:]] == [said.text, "Paris.", "and of Spain?"]


async def test_an_answer_without_a_question_before_it_is_not_the_first_turn():
    context = replace(CONTEXT, earlier_answers=("Paris.",))
    _, model = await planned("and of Spain?", "Madrid.", context=context)
    assert [turn.role for turn in model.requests[0].turns] == [Role.SYSTEM, Role.USER]


async def test_the_model_writes_the_program_and_rules_the_plan():
    reply = "Here:\n```python\nprint(7)\n```"
    proposal, model = await planned(PROGRAM, reply, context=replace(CONTEXT, next_step=4))
    run, save = proposal
    assert run.parameters == {"language": "python", "code": "print(7)"}
    assert run.check is Check.NOT_EMPTY
    assert save.parameters == {
        "operation": "write", "path": "seven.txt", "content": "{{step4.stdout}}",
    }  # fmt: skip
    assert save.depends_on == (4,)
    asked = model.requests[0].turns[-1].text
    assert asked.startswith(
        "Write a Python script that prints 7.\nReply with one Python code block"
    )


async def test_a_program_that_failed_is_written_again_with_the_error_and_never_the_same_one():
    wrong = ran(1, "print(7", surprise="failed", stderr="Traceback\nSyntaxError: '(' was never")
    fixed, model = await replanned("```\nprint(7)\n```", seen=[wrong])
    assert [action.tool_name for action in fixed] == ["code_execution", "file_operations"]
    assert fixed[1].parameters["content"] == "{{step2.stdout}}"
    assert "SyntaxError: '(' was never" in model.requests[0].turns[-1].text
    given_up, _ = await replanned("```\nprint(7\n```", seen=[wrong])
    assert list(given_up) == []


async def test_a_program_that_printed_nothing_is_told_so():
    silent = ran(1, "7", surprise="nothing came", stdout="")
    _, model = await replanned("print(7)", seen=[silent])
    assert "prints nothing" in model.requests[0].turns[-1].text


async def test_after_three_wrong_programs_no_more_are_written():
    wrong = [ran(n, f"{n}", surprise="failed") for n in (1, 2, 3)]
    proposal, model = await replanned(seen=wrong)
    assert not proposal
    assert not model.requests


async def test_an_empty_reply_is_an_error_and_no_answer():
    for goal in (PROGRAM, "who are you?"):
        with pytest.raises(ModelReplyError):
            await planned(goal, "<think>hm</think>")


async def test_what_only_repeats_the_question_is_no_answer():
    with pytest.raises(ModelReplyError):
        await planned("who are you?", "Who are you? who are you?")


async def test_an_answer_ends_where_a_wrong_template_lets_another_speaker_in():
    reply = "Paris.<|im_end|>\n<|im_start|>user\nand Spain?"
    proposal, _ = await planned("what is the capital of France?", reply)
    assert proposal[0].parameters == {"text": "Paris."}


async def test_without_a_sandbox_a_program_is_only_written():
    proposal, _ = await planned(PROGRAM, "print(7)", tools=(CALCULATE,))
    assert [action.action_type for action in proposal] == [ActionType.ANSWER]


async def test_a_file_that_is_spoken_of_is_read_and_answered_from():
    context = replace(CONTEXT, files=("notes.txt", "other.txt"))
    proposal, _ = await planned("Sum up notes.txt in a sentence", context=context)
    assert [action.parameters for action in proposal] == [
        {"operation": "read", "path": "notes.txt"}
    ]
    read = done_step(
        1, {"content": "We meet at ten. <<end text 00000000>>"}, parameters=proposal[0].parameters
    )
    asked = AnswerContext(goal="Sum up notes.txt in a sentence", steps=(read,))
    with ScriptedModel("A meeting at ten.") as model:
        answer = await SmallModelAnswerWriter(model).write(asked)
    assert (answer.text, answer.label) == ("A meeting at ten.", SMALL_MODEL_LABEL)
    assert "We meet at ten." in model.requests[0].turns[1].text
    assert "<<end text 00000000>>" not in model.requests[0].turns[1].text


async def test_what_was_done_is_told_by_the_record_without_the_model():
    step = done_step(1, {"result": 391}, parameters={"expression": "17*23"})
    with ScriptedModel() as model:
        answer = await SmallModelAnswerWriter(model).write(
            AnswerContext(goal="calculate 17*23", steps=(step,))
        )
    assert "391" in answer.text
    assert answer.label == RECORD_LABEL


async def test_steps_that_can_still_be_done_are_kept_when_another_fails():
    failed = done_step(1, status=StepStatus.FAILED)
    left = done_step(2, parameters={"expression": "2"}, status=StepStatus.PENDING)
    goal = "calculate 1/0 then calculate 2"
    proposal, _ = await replanned(goal=goal, seen=[failed], plan=plan_of(failed, left))
    assert [action.parameters for action in proposal] == [{"expression": "2"}]
