"""What reactions, buttons and stops mean, as tables of cases."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.commands import Cancel, CancelThread, Rate, Unrate
from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import RunId, TaskStatus, Thread
from bot.inbound import acts
from bot.inbound.facts import Do, Ignored, Open, Reply
from bot.inbound.slack_events import (
    ButtonPressed,
    Origin,
    ReactionAdded,
    ReactionRemoved,
    SessionStopped,
)
from bot.outbound.blocks import ids
from tests.fakes.runs import a_run
from tests.unit.inbound.test_routing import ADA, GRACE, UB, C, T, facts, person

ORIGIN = Origin(workspace_id=T, delivery_id="Ev1")
POST = Post(
    key="k",
    thread=Thread(workspace_id=T, channel_id=C, thread_ts="1.0"),
    kind=PostKind.PLAN,
    state=PostState.POSTED,
    run_id=RunId("r1"),
    ts="2.0",
    created_at=datetime.now(UTC),
)
RUN = a_run("r1", requester=ADA, status=TaskStatus.RUNNING)


def added(name, user=GRACE):
    return ReactionAdded(origin=ORIGIN, channel_id=C, ts="2.0", user_id=user, name=name)


def removed(name, user=GRACE):
    return ReactionRemoved(origin=ORIGIN, channel_id=C, ts="2.0", user_id=user, name=name)


@pytest.mark.parametrize(
    ("name", "rating"),
    [("+1", 5), ("-1", 1), ("one", 1), ("two", 2), ("three", 3), ("four", 4), ("five", 5)],
)
def test_reactions_that_rate(name, rating):
    route = acts.route_reaction(added(name), facts(post=POST, person=person(GRACE)))
    assert isinstance(route, Do)
    assert isinstance(route.command, Rate)
    assert (route.command.rating, route.command.choice, route.command.by) == (rating, name, GRACE)
    back = acts.route_reaction(removed(name), facts(post=POST, person=person(GRACE)))
    assert isinstance(back, Do)
    assert isinstance(back.command, Unrate)
    assert back.command.choice == name


@pytest.mark.parametrize(
    ("event", "known", "reason"),
    [
        (added("+1", UB), {"post": POST}, "own"),
        (added("tada"), {"post": POST}, "meaningless_reaction"),
        (removed("x"), {"post": POST}, "meaningless_reaction"),
        (added("+1"), {}, "not_ours"),
        (added("+1"), {"post": POST, "person": person(is_bot=True)}, "bot"),
        (added("-1"), {"post": POST, "person": person(is_guest=True)}, "guest"),
    ],
)
def test_reactions_that_mean_nothing(event, known, reason):
    assert acts.route_reaction(event, facts(**known)) == Ignored(reason=reason)


@pytest.mark.parametrize(
    ("event", "known", "kind"),
    [
        (added("+1"), {}, Reply),
        (added("+1"), {"latest_run": RunId("r1")}, Ignored),
        (added("+1"), {"person": person(is_guest=True)}, Ignored),
        (added("x"), {}, Ignored),
        (removed("+1"), {}, Ignored),
    ],
)
def test_a_rating_of_a_message_of_ours_that_has_no_task_any_more_is_answered(event, known, kind):
    assert isinstance(acts.route_reaction(replace(event, author_id=UB), facts(**known)), kind)
    assert isinstance(acts.route_reaction(replace(event, author_id=ADA), facts(**known)), Ignored)


@pytest.mark.parametrize("name", sorted(acts.STOPS))
@pytest.mark.parametrize(
    ("who", "run", "kind"),
    [
        (person(ADA), RUN, Do),
        (person(GRACE), RUN, Reply),
        (person(GRACE, is_admin=True), RUN, Do),
        (person(ADA), replace(RUN, status=TaskStatus.ERROR), Ignored),
        (person(ADA), None, Ignored),
    ],
)
def test_reactions_that_stop(name, who, run, kind):
    route = acts.route_reaction(added(name, who.user_id), facts(post=POST, person=who, run=run))
    assert isinstance(route, kind)
    if isinstance(route, Do):
        assert isinstance(route.command, Cancel)
        assert route.command.run_id == "r1"


def test_slacks_own_stop_button_stops_the_thread():
    event = SessionStopped(origin=ORIGIN, channel_id=C, user_id=ADA, thread_ts="1.0")
    route = acts.route_stop(event, facts(run=RUN))
    assert isinstance(route, Do)
    assert isinstance(route.command, CancelThread)
    assert route.command.thread.thread_ts == "1.0"
    assert isinstance(acts.route_stop(event, facts(person=person(GRACE), run=RUN)), Reply)


def click(**more):
    base = {
        "origin": ORIGIN,
        "user_id": ADA,
        "action_id": "a",
        "value": "v",
        "channel_id": C,
        "message_ts": "2.0",
        "trigger_id": "t1",
    }
    return ButtonPressed(**{**base, **more})


@pytest.mark.parametrize(
    ("action", "command"),
    [
        (ids.StopRun(run_id=RunId("r1")), Cancel),
        (ids.RateAnswer(run_id=RunId("r1"), rating=5), Rate),
    ],
)
def test_buttons_become_commands(action, command):
    route = acts.route_button(click(), action, facts(run=RUN))
    assert isinstance(route, Do)
    assert isinstance(route.command, command)
    assert route.keys == ("act:t1",)


@pytest.mark.parametrize(
    ("action", "form"),
    [
        (ids.RateSteps(run_id=RunId("r1")), ids.StepRatingForm),
        (ids.TellWhy(channel_id=C, message_ts="2.0", choice="-1", rating=1), ids.WhyForm),
        (ids.EditAgent(agent_id="default", channel_id=C), ids.AgentForm),
    ],
)
def test_buttons_open_forms(action, form):
    route = acts.route_button(click(), action, facts())
    assert isinstance(route, Open)
    assert isinstance(route.form, form)


def test_guests_press_no_buttons_but_links():
    known = facts(person=person(is_guest=True), run=RUN)
    assert isinstance(acts.route_button(click(), ids.StopRun(run_id=RunId("r1")), known), Reply)
    assert acts.route_button(click(), ids.OpenLink(name="x"), known) == Ignored(reason="link")


def test_only_those_who_may_stop_a_run_by_its_button():
    known = facts(person=person(GRACE), run=RUN)
    route = acts.route_button(click(user_id=GRACE), ids.StopRun(run_id=RunId("r1")), known)
    assert isinstance(route, Reply)
    assert ADA in route.text


def test_a_rating_button_outside_a_message_rates_nothing():
    route = acts.route_button(
        click(channel_id=None), ids.RateAnswer(run_id=RunId("r1"), rating=5), facts()
    )
    assert route == Ignored(reason="no_message")
