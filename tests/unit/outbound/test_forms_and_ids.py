"""What buttons and forms carry comes back as it went out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.types import FollowUps, Limits, PlannerKind, StepStatus
from bot.outbound.blocks import ids, memory_ids
from bot.outbound.blocks.agent_modal import (
    FormErrors,
    agent_modal,
    how_it_plans,
    read_agent_form,
)
from bot.outbound.blocks.rating_form import (
    StepRating,
    read_step_ratings,
    read_why,
    step_rating_modal,
    why_modal,
    why_prompt,
)
from tests.fakes.blocks import all_texts, check_content, check_view
from tests.fakes.runs import PROFILE, UNHURRIED, a_plan, a_run, a_step

TEXT = st.text(max_size=80)
ACTIONS = st.one_of(
    st.builds(ids.StopRun, run_id=TEXT),
    st.builds(ids.AgainRun, run_id=TEXT, keep_work=st.booleans()),
    st.builds(ids.DecideWait, run_id=TEXT, wait_id=TEXT, value=TEXT, index=st.integers(0, 20)),
    st.builds(ids.RateAnswer, run_id=TEXT, rating=st.integers(1, 5)),
    st.builds(ids.RateSteps, run_id=TEXT),
    st.builds(ids.TellWhy, channel_id=TEXT, message_ts=TEXT, choice=TEXT, rating=st.integers(1, 5)),
    st.builds(ids.EditAgent, agent_id=TEXT, channel_id=TEXT),
    st.builds(ids.ForgetLesson, run_id=TEXT, lesson_id=TEXT),
    st.builds(ids.CorrectLesson, run_id=TEXT, lesson_id=TEXT),
    st.builds(ids.OpenLink, name=TEXT),
    st.builds(memory_ids.ForgetMemory, agent_id=TEXT, memory_id=st.integers()),
    st.builds(memory_ids.ConfirmMemory, agent_id=TEXT, memory_id=st.integers()),
    st.builds(memory_ids.CorrectMemory, agent_id=TEXT, memory_id=st.integers()),
    st.builds(memory_ids.PinMemory, agent_id=TEXT, memory_id=st.integers(), pinned=st.booleans()),
    st.builds(memory_ids.ListMemories, agent_id=TEXT, kind=TEXT, page=st.integers()),
    st.builds(memory_ids.ForgetScope, agent_id=TEXT),
    st.builds(memory_ids.ForgetPerson, person=TEXT),
    st.builds(memory_ids.UsedMemories, run_id=TEXT),
)
FORMS = st.one_of(
    st.builds(ids.AgentForm, agent_id=TEXT, channel_id=TEXT),
    st.builds(ids.StepRatingForm, run_id=TEXT, channel_id=TEXT, message_ts=TEXT),
    st.builds(ids.WhyForm, channel_id=TEXT, message_ts=TEXT, choice=TEXT, rating=st.integers(1, 5)),
    st.builds(ids.CorrectForm, run_id=TEXT, lesson_id=TEXT, channel_id=TEXT),
    st.builds(
        memory_ids.CorrectMemoryForm,
        agent_id=TEXT,
        memory_id=st.integers(),
        channel_id=TEXT,
        thread_ts=TEXT,
        view_id=TEXT,
        browsing=TEXT,
    ),
    st.builds(
        memory_ids.BrowseForm,
        agent_id=TEXT,
        channel_id=TEXT,
        thread_ts=TEXT,
        run_id=TEXT,
        kind=TEXT,
        words=TEXT,
        page=st.integers(),
    ),
)


@given(ACTIONS)
@UNHURRIED
def test_an_action_comes_back_as_it_went_out(action):
    assert len(ids.action_id(action)) <= 255
    assert len(ids.value(action)) <= 2_000
    assert ids.read_action(ids.action_id(action), ids.value(action)) == action


@given(FORMS)
@UNHURRIED
def test_a_form_comes_back_as_it_went_out(form):
    assert ids.read_form(ids.callback_id(form), ids.private_metadata(form)) == form


@given(st.text(max_size=30), st.text(max_size=60))
@UNHURRIED
def test_what_is_not_ours_is_none(name, value):
    assert ids.read_action(name, value) is None
    assert ids.read_action(f"{ids.PREFIX}:stop:{name}", value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("treadle0:stop:r", '{"run_id":"r"}'),
        ("treadle1:stop:r", '{"run_id":7}'),
        ("treadle1:stop:r", '{"run_id":"r","more":1}'),
        ("treadle1:stop:r", "{}"),
        ("treadle1:stop:r", "[" * 100_000),
        ("treadle1:again:r", '{"run_id":"r","keep_work":1}'),
        ("treadle1:rate:r", '{"run_id":"r","rating":true}'),
    ],
)
def test_an_action_of_another_shape_or_version_is_none(name, value):
    assert ids.read_action(name, value) is None


def test_a_value_that_does_not_fit_a_button_is_refused():
    decision = ids.DecideWait(run_id="r", wait_id="w", value="x" * 2_000)
    assert not ids.fits(decision)
    with pytest.raises(ValueError, match="2000"):
        ids.value(decision)


def test_the_metadata_of_a_message_names_its_post():
    assert ids.read_metadata(ids.metadata("run:1:plan")) == "run:1:plan"
    assert ids.read_metadata({"event_type": "other", "event_payload": {"key": "k"}}) is None
    assert ids.read_metadata(None) is None


def filled(view, **changes):
    """What Slack sends for a form as it was opened, with some fields changed."""
    values = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element, name = block["element"], block["block_id"]
        given = {"type": element["type"], "value": element.get("initial_value")}
        given["selected_option"] = element.get("initial_option")
        given["selected_options"] = element.get("initial_options", [])
        values[name] = {name: given}
    for name, value in changes.items():
        values[name][name].update(value if isinstance(value, dict) else {"value": value})
    return values


FULL = replace(
    PROFILE,
    instructions="Be brief.\nAlways.",
    model="gpt-x",
    planner=PlannerKind.STEPWISE,
    tools=("web_search",),
    follow_ups=FollowUps.MENTION_ONLY,
    limits=Limits(iterations=7, seconds=100.0, tokens=5, usd=0.25, replans=9),
    icon_emoji=":robot_face:",
    max_concurrent=3,
)


@pytest.mark.parametrize(
    "profile",
    [PROFILE, FULL, replace(PROFILE, tools=()), replace(PROFILE, instructions="x" * 5_000)],
)
def test_an_agent_form_saved_as_it_was_opened_changes_nothing(profile):
    view = agent_modal(profile, channel_id="C1", tools=["web_search", "api_call"])
    check_view(view)
    assert read_agent_form(filled(view), profile) == profile


def test_an_agent_form_gives_what_was_filled_in():
    view = agent_modal(PROFILE, channel_id="C1", tools=["web_search", "api_call"])
    values = filled(
        view,
        name="  Data   agent ",
        instructions="Only SQL.",
        model="m",
        iterations="5",
        minutes="1.5",
        usd="0.5",
        planner={"selected_option": {"value": "stepwise"}},
        tools={"selected_options": [{"value": "api_call"}]},
    )
    read = read_agent_form(values, PROFILE)
    assert (read.name, read.instructions, read.model) == ("Data agent", "Only SQL.", "m")
    assert (read.planner, read.tools) == (PlannerKind.STEPWISE, ("api_call",))
    assert (read.limits.iterations, read.limits.seconds, read.limits.usd) == (5, 90.0, 0.5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 81),
        ("iterations", "1.5"),
        ("tokens", "many"),
        ("usd", "-1"),
        ("usd", "nan"),
    ],
)
def test_an_agent_form_says_which_field_is_wrong(field, value):
    view = agent_modal(PROFILE, channel_id="C1", tools=[])
    read = read_agent_form(filled(view, **{field: value}), PROFILE)
    assert isinstance(read, FormErrors)
    assert list(read.errors) == [field]


def test_a_step_form_has_one_choice_per_finished_step():
    plan = a_plan(
        a_step(1, "Read", StepStatus.DONE, outcome="ok"),
        a_step(2, "Skip", StepStatus.DROPPED),
        a_step(3, "Write", StepStatus.FAILED, outcome="no"),
    )
    view = step_rating_modal(a_run(plan=plan), channel_id="C1", message_ts="1.2")
    check_view(view)
    values = filled(view, step_3={"selected_option": {"value": "1"}}, words=" wrong file ")
    read = read_step_ratings(values)
    assert read.ratings == (StepRating(3, 1),)
    assert read.text == "wrong file"
    assert set(values) == {"step_1", "step_3", "words"}


def test_a_step_form_of_a_long_run_still_fits():
    steps = [a_step(n, "x" * 300, StepStatus.DONE, outcome="y" * 300) for n in range(1, 201)]
    check_view(step_rating_modal(a_run(plan=a_plan(*steps)), channel_id="C1", message_ts="1.2"))
    check_view(step_rating_modal(a_run(), channel_id="C1", message_ts="1.2"))


def test_somebody_who_gave_a_low_rating_is_asked_why():
    why = ids.TellWhy(channel_id="C1", message_ts="1.2", choice="-1", rating=1)
    check_content(why_prompt(why))
    assert "Say what went wrong" in all_texts(why_prompt(why))
    view = why_modal(why)
    check_view(view)
    form = ids.read_form(view["callback_id"], view["private_metadata"])
    assert form == ids.WhyForm(channel_id="C1", message_ts="1.2", choice="-1", rating=1)
    assert read_why(filled(view, words="too long")) == "too long"


@pytest.mark.parametrize(
    ("channel", "words"),
    [("C1", "The agent of <#C1>."), ("D1", "The agent of your direct messages.")],
)
def test_the_agents_form_says_whose_agent_it_changes(channel, words):
    assert words in str(agent_modal(PROFILE, channel_id=channel, tools=[])["blocks"][0])


@pytest.mark.parametrize("planner", PlannerKind)
def test_every_planner_has_words_for_people(planner):
    said = how_it_plans(replace(PROFILE, planner=planner))
    assert said != planner
    assert said[0].islower()
