"""Who is called when Slack takes one more call: the most urgent, then who asked first."""

import pytest

from agent_engine.types import ChannelId, Thread, WorkspaceId
from bot.errors import NoRoomError
from bot.outbound.pacing import Urgency
from bot.outbound.turns import Ask, Limit, NotNowError, Turns
from tests.fakes.stores import FakeTime

POST = Limit("chat.postMessage", ChannelId("C1"))
SESSION = Limit("agents.sessions.setStatus")


def a_thread(name):
    return Thread(workspace_id=WorkspaceId("T1"), channel_id=ChannelId("C1"), thread_ts=name)


A, B, C, D = (a_thread(name) for name in "ABCD")


class Room:
    """How many calls Slack takes now; each more takes another second."""

    def __init__(self):
        self.free = {}

    def __call__(self, limit, _urgency, *, ahead):
        return float(max(0, ahead + 1 - self.free.get(limit, 0)))


def lines():
    room = Room()
    return room, Turns(wait_for=room, clock=FakeTime())


def ask(limit=POST, urgency=Urgency.ANSWER, at_s=None):
    return Ask(limit=limit, urgency=urgency, asked_at_s=at_s)


def tried(turns, thread, *asks):
    """Visit a thread and try these calls; gives how each went."""
    went = []
    with turns.visit(thread):
        for each in asks:
            try:
                with turns.turn(thread, each):
                    went.append("called")
            except NotNowError as wait:
                went.append(wait.after_s)
    return went


def test_where_there_is_room_nobody_stands_in_line():
    room, turns = lines()
    room.free = {POST: 1}
    assert tried(turns, A, ask()) == ["called"]
    assert turns.called() == set()
    assert turns.next_s() is None


def test_who_asked_first_is_called_first_however_late_they_came():
    room, turns = lines()
    assert tried(turns, A, ask(at_s=5.0)) == [1.0]
    assert tried(turns, B, ask(at_s=3.0)) == [1.0]
    assert tried(turns, C, ask(at_s=4.0)) == [2.0]
    assert turns.called() == set()
    assert turns.next_s() == 1.0
    room.free = {POST: 2}
    assert turns.called() == {B, C}


def test_the_more_urgent_is_called_before_who_asked_first():
    room, turns = lines()
    tried(turns, A, ask(urgency=Urgency.PLAN, at_s=1.0))
    tried(turns, B, ask(urgency=Urgency.ANSWER, at_s=9.0))
    room.free = {POST: 1}
    assert turns.called() == {B}


def test_nobody_overtakes_who_is_in_line_and_goes_first():
    room, turns = lines()
    tried(turns, A, ask(at_s=1.0))
    room.free = {POST: 1}
    assert tried(turns, B, ask(at_s=2.0)) == [1.0]
    assert tried(turns, C, ask(at_s=0.5)) == ["called"]
    assert tried(turns, A, ask(at_s=1.0)) == ["called"]


def test_without_a_time_of_asking_the_place_in_line_is_kept():
    room, turns = lines()
    plan = ask(urgency=Urgency.PLAN)
    for thread in (A, B, A):
        tried(turns, thread, plan)
        turns._clock.now_s += 1
    room.free = {POST: 1}
    assert turns.called() == {A}


def test_who_was_refused_once_makes_no_later_call_of_that_kind_in_the_same_visit():
    room, turns = lines()
    with turns.visit(A):
        with pytest.raises(NotNowError), turns.turn(A, ask(at_s=1.0)):
            pass
        room.free = {POST: 5}
        with pytest.raises(NotNowError), turns.turn(A, ask(at_s=1.0)):
            pass
    assert turns.called() == {A}


def test_a_thread_leaves_the_lines_it_has_no_more_use_for():
    room, turns = lines()
    assert tried(turns, A, ask(), ask(SESSION)) == [1.0, 1.0]
    room.free = {POST: 1}
    assert tried(turns, A, ask()) == ["called"]
    room.free = {SESSION: 1}
    assert turns.called() == set()


def test_a_thread_waits_in_one_line_without_holding_up_its_other_call():
    room, turns = lines()
    room.free = {SESSION: 1}
    assert tried(turns, A, ask(), ask(SESSION)) == [1.0, "called"]
    room.free = {POST: 1}
    assert turns.called() == {A}


def test_a_thread_in_trouble_stands_in_no_line():
    room, turns = lines()
    tried(turns, A, ask())

    def visit_that_fails():
        with turns.visit(A):
            with pytest.raises(NotNowError), turns.turn(A, ask()):
                pass
            raise KeyError

    with pytest.raises(KeyError):
        visit_that_fails()
    room.free = {POST: 1}
    assert turns.called() == set()


def test_a_call_that_slack_limits_after_all_is_in_line_at_its_old_place():
    room, turns = lines()
    tried(turns, A, ask(urgency=Urgency.PLAN))
    turns._clock.now_s += 1
    tried(turns, B, ask(urgency=Urgency.PLAN))
    room.free = {POST: 1}
    with (
        turns.visit(A),
        pytest.raises(NotNowError) as caught,
        turns.turn(A, ask(urgency=Urgency.PLAN)),
    ):
        raise NoRoomError
    assert caught.value.limit == POST
    assert turns.called() == {A}


def test_what_is_only_done_if_free_makes_nobody_wait():
    room, turns = lines()
    room.free = {POST: 2}
    assert turns.is_free(A, ask(), calls=2)
    assert not turns.is_free(A, ask(), calls=3)
    room.free = {}
    tried(turns, B, ask())
    room.free = {POST: 2}
    assert turns.is_free(A, ask(), calls=1)
    assert not turns.is_free(A, ask(), calls=2)


def test_who_has_nothing_to_show_any_more_holds_nobody_up():
    room, turns = lines()
    tried(turns, A, ask(at_s=1.0))
    tried(turns, B, ask(at_s=2.0))
    turns.keep({B})
    room.free = {POST: 1}
    assert turns.called() == {B}


def test_who_got_it_in_another_way_leaves_the_line():
    room, turns = lines()
    with turns.visit(A):
        with pytest.raises(NotNowError), turns.turn(A, ask(SESSION)):
            pass
        turns.leave(A, SESSION)
    room.free = {SESSION: 1}
    assert turns.called() == set()


def test_the_line_of_one_limit_says_nothing_of_another():
    room, turns = lines()
    tried(turns, A, ask())
    room.free = {SESSION: 1}
    assert tried(turns, B, ask(SESSION)) == ["called"]
    assert tried(turns, C, ask(Limit(POST.method, ChannelId("C2")))) == [1.0]
    assert tried(turns, D, ask()) == [2.0]
