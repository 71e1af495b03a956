"""Numbering, dependencies, readiness and references."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.errors import ToolError
from agent_engine.planners import plan as plans
from agent_engine.types import ActionType, AgentAction, Proposal, StepStatus
from tests.fakes.snapshots import a_plan, a_tool_step, an_answer_step

DONE, DROPPED = StepStatus.DONE, StepStatus.DROPPED


def act(*depends_on, **parameters):
    return AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name="t",
        parameters=parameters,
        depends_on=depends_on,
    )


def proposal(*actions, open_ended=False):
    return Proposal(actions=actions, open_ended=open_ended)


def done(number, **result):
    return a_tool_step(number, status=DONE, result=result)


def test_a_first_plan_numbers_its_steps_from_one():
    plan = plans.first_plan(proposal(act(), act()), planner="llm")
    assert [step.number for step in plan.steps] == [1, 2]


def test_references_are_dependencies():
    plan = plans.first_plan(proposal(act(), act(), act(2, text="{{step1.x}}")), planner="llm")
    assert plan.steps[2].depends_on == (1, 2)


@pytest.mark.parametrize("wrong", [0, 3, 4, 99])
def test_a_dependency_on_a_later_or_unknown_step_is_dropped(wrong):
    plan = plans.first_plan(proposal(act(), act(), act(wrong)), planner="llm")
    assert plan.steps[2].depends_on == ()


def test_a_new_plan_keeps_what_was_done_and_drops_what_was_pending():
    old = a_plan(done(1), a_tool_step(2))
    new = plans.replanned(old, proposal(act(1), act(3)), because="it failed")
    assert [(s.number, s.status) for s in new.steps[:2]] == [(1, DONE), (2, DROPPED)]
    assert [(s.number, s.depends_on) for s in new.steps[2:]] == [(3, (1,)), (4, (3,))]
    assert (new.version, new.because) == (2, "it failed")


def test_a_new_plan_has_dealt_with_the_surprises():
    old = a_plan(a_tool_step(1, status=StepStatus.FAILED, surprise="no"))
    for new in (
        plans.replanned(old, proposal(act()), because="no"),
        plans.kept(old, because="no"),
        plans.extended(old, proposal(act())),
    ):
        assert [step.surprise for step in new.steps if step.surprise] == []


def test_a_step_is_ready_when_what_it_needs_is_done_and_answers_never_are():
    plan = a_plan(done(1), a_tool_step(2, depends_on=(1,)), an_answer_step(3))
    assert [step.number for step in plans.ready_steps(plan)] == [2]


def test_sub_steps_know_their_sub_goal_and_depth():
    goal = a_tool_step(1, action_type=ActionType.SUB_GOAL, status=StepStatus.STARTED)
    plan = plans.with_sub_steps(a_plan(goal), goal, proposal(act(), act(2)))
    assert [(s.parent, s.depth, s.depends_on) for s in plan.steps[1:]] == [(1, 1, ()), (1, 1, (2,))]


STEPS = (
    done(1, result="391"),
    done(2, stdout="a\nb", exit_code=0, rows=[{"name": "ada"}, {"name": "grace"}]),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{step1}}", "391"),
        ("{{ step1 }}", "391"),
        ("got {{step1}}!", "got 391!"),
        ("{{step2.exit_code}}", 0),
        ("code {{step2.exit_code}}", "code 0"),
        ("{{step2.rows[1].name}}", "grace"),
        ("{{step2.rows.0.name}}", "ada"),
        ("{{step2.rows}}", [{"name": "ada"}, {"name": "grace"}]),
        ("no reference {{ here }}", "no reference {{ here }}"),
    ],
)
def test_a_reference_becomes_what_the_step_returned(text, value):
    assert plans.resolve({"x": text}, STEPS) == {"x": value}


def test_references_are_found_in_nested_values():
    assert plans.resolve({"x": [{"y": "{{step1}}"}]}, STEPS) == {"x": [{"y": "391"}]}


@pytest.mark.parametrize("text", ["{{step9}}", "{{step2.nothing}}", "{{step2.rows[7]}}"])
def test_a_reference_to_what_is_not_there_is_an_error_that_says_so(text):
    with pytest.raises(ToolError, match="step"):
        plans.resolve({"x": text}, STEPS)


def test_what_a_step_returned_is_not_searched_for_references():
    hostile = done(1, result="{{step2.hidden}}")
    assert plans.resolve({"x": "{{step1}}"}, (hostile, done(2, hidden="s"))) == {
        "x": "{{step2.hidden}}"
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_parameters_without_references_come_out_as_they_went_in(parameters):
    if not plans.references(parameters):
        assert plans.resolve(parameters, STEPS) == parameters


@given(st.lists(st.lists(st.integers(min_value=-3, max_value=12), max_size=4), max_size=10))
def test_every_plan_can_be_carried_out_to_its_end(dependencies):
    plan = plans.first_plan(proposal(*(act(*d) for d in dependencies)), planner="llm")
    for _ in plan.steps:
        ready = {step.number for step in plans.ready_steps(plan)}
        steps = tuple(done(s.number) if s.number in ready else s for s in plan.steps)
        plan = a_plan(*steps)
    assert all(step.status is DONE for step in plan.steps)


def test_the_changed_steps_of_a_first_plan_are_all():
    plan = plans.first_plan(proposal(act(), act()), planner="llm")
    assert plans.changed_steps(None, plan) == (1, 2)


def test_a_step_that_was_added_dropped_or_lost_its_surprise_has_changed():
    surprised = replace(done(2), surprise="not what was expected")
    plan = a_plan(done(1), surprised, a_tool_step(3))
    new = plans.replanned(plan, proposal(act()), because="")
    assert plans.changed_steps(plan, new) == (2, 3, 4)
    extended = plans.extended(a_plan(done(1)), proposal(act()))
    assert plans.changed_steps(a_plan(done(1)), extended) == (2,)
