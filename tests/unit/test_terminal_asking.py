"""Asking at the terminal: what is shown, and what the person says."""

import io

import pytest
from rich.console import Console

from agent_engine.types import APPROVE, DENY, ProposedCall, Wait, WaitKind
from bot.terminal_asking import TerminalAsker

CALL = ProposedCall(tool="rm", arguments={"path": "a\u202eb", "times": 2}, digest="d", because="x")


def asking(*lines):
    """An asker to whom these lines are typed, and what it printed."""
    typed, printed = iter(lines), io.StringIO()

    async def read(_prompt):
        try:
            return next(typed)
        except StopIteration as end:
            raise EOFError from end

    return TerminalAsker(Console(file=printed, width=200), read), printed


def a_wait(**more):
    return Wait(id="w", kind=WaitKind.APPROVAL, step=1, question="Tidy up", call=CALL, **more)


async def test_the_call_is_shown_with_nothing_hidden_and_approved():
    asker, printed = asking("what", "a")
    resolution = await asker(a_wait())
    assert (resolution.value, resolution.arguments) == (APPROVE, None)
    assert "a⟨U+202E⟩b" in printed.getvalue()
    assert "Please say a, e or d." in printed.getvalue()


async def test_a_denial_carries_its_reason():
    asker, _ = asking("d", "too risky")
    resolution = await asker(a_wait())
    assert (resolution.value, resolution.remark) == (DENY, "too risky")


async def test_edited_arguments_keep_their_types():
    asker, printed = asking("e", "", "many", "5")
    resolution = await asker(a_wait())
    assert resolution.value == APPROVE
    assert resolution.arguments == {"path": "a\u202eb", "times": 5}
    assert "That is not JSON." in printed.getvalue()


async def test_where_nothing_more_is_typed_the_wait_stays_open():
    asker, _ = asking()
    assert await asker(a_wait()) is None


@pytest.mark.parametrize(("said", "answer"), [("2", "blue"), ("green", "green"), ("9", "9")])
async def test_a_question_is_answered_by_number_or_in_ones_own_words(said, answer):
    asker, printed = asking(said)
    wait = Wait(
        id="w", kind=WaitKind.QUESTION, step=1, question="[b]Which?", choices=("red", "blue")
    )
    assert await asker(wait) == answer
    assert "[b]Which?" in printed.getvalue()
