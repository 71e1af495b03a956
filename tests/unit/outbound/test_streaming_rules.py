"""When a half answer may still become the answer, and which of our messages are half answers."""

import pytest

from agent_engine.types import (
    ActionType,
    EndReason,
    PersonMessage,
    StepStatus,
    UserId,
    Wait,
    WaitKind,
)
from bot.outbound.blocks import ids
from bot.outbound.streaming import answer_comes_next, is_half
from tests.fakes.runs import AT, a_plan, a_run, a_step, answered, ended

DONE = a_step(1, status=StepStatus.DONE)
ANSWERING = a_step(1, kind=ActionType.ANSWER)
ASKED = Wait(id="w", kind=WaitKind.QUESTION, step=1)
SAID = PersonMessage(id="m1", author=UserId("U1"), text="no, Venus", sent_at=AT)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (a_run(), True),
        (a_run(plan=a_plan(ANSWERING)), True),
        (a_run(plan=a_plan(DONE)), True),
        (a_run(plan=a_plan(DONE, a_step(2))), False),
        (a_run(plan=a_plan(DONE), waits=(ASKED,)), False),
        (a_run(plan=a_plan(ANSWERING), messages=(SAID,)), False),
        (answered(a_run()), True),
        (ended(a_run(), EndReason.FAILED), False),
        (ended(a_run(), EndReason.STOPPED), False),
    ],
)
def test_an_answer_may_still_come_of_what_was_begun(run, expected):
    assert answer_comes_next(run) is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"streaming_state": "in_progress"}, True),
        ({"streaming_state": "completed", "metadata": {}}, True),
        ({"streaming_state": "completed", "metadata": ids.metadata("run:r1:answer:0")}, False),
        ({"metadata": ids.metadata("run:r1:answer:0")}, False),
        ({"text": "a notice"}, False),
    ],
)
def test_a_stream_without_a_key_was_never_brought_to_its_end(message, expected):
    assert is_half(message) is expected
