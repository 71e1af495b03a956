from hypothesis import given
from hypothesis import strategies as st

from agent_engine.planners.numbering import Numbered, in_order
from agent_engine.planners.references import (
    referenced_steps,
    renumbered,
    without_references,
)
from agent_engine.types import ActionType, AgentAction


def action(number, *depends_on, text=""):
    made = AgentAction(
        action_type=ActionType.THINK,
        parameters={"thought": text},
        depends_on=depends_on,
        description=str(number),
    )
    return Numbered(number=number, action=made)


def ordered(*steps, first=1, known=(), limit=50):
    return in_order(steps, first=first, known=frozenset(known), limit=limit)


def test_steps_numbered_from_one_follow_the_runs_numbers():
    made = ordered(action(1), action(2, 1, text="{{step1.x}}"), first=4, known=(1, 2, 3))
    assert made.actions[1].depends_on == (4,)
    assert made.actions[1].parameters == {"thought": "{{step4.x}}"}
    assert not made.problems


def test_steps_that_continue_the_runs_numbers_keep_them():
    made = ordered(action(4, 2), action(5, 4, text="{{step2}}"), first=4, known=(1, 2, 3))
    assert [a.depends_on for a in made.actions] == [(2,), (4,)]
    assert made.actions[1].parameters == {"thought": "{{step2}}"}


def test_useless_numbers_count_by_position():
    made = ordered(action(0), action(0, 1), first=1)
    assert made.actions[1].depends_on == (1,)


def test_dependencies_on_itself_and_on_nothing_are_removed():
    made = ordered(action(1, 1, 7), action(2, 9))
    assert [a.depends_on for a in made.actions] == [(), ()]
    assert not made.problems


def test_references_to_itself_and_to_nothing_become_plain_text_and_are_told():
    made = ordered(action(1, text="{{step1.a}} {{step9}}"))
    assert referenced_steps(made.actions[0].parameters) == frozenset()
    assert made.problems == ("step 1 refers to the result of step 1, 9",)


def test_a_step_is_moved_behind_what_it_needs():
    made = ordered(action(1, 2), action(2), action(3, text="{{step1}}"))
    assert [a.description for a in made.actions] == ["2", "1", "3"]
    assert [a.depends_on for a in made.actions] == [(), (1,), ()]
    assert made.actions[2].parameters == {"thought": "{{step2}}"}


def test_a_circle_is_broken_and_told():
    made = ordered(action(1, 2), action(2, 3), action(3, 1))
    assert len(made.actions) == 3
    assert any("wait for each other" in problem for problem in made.problems)


def test_steps_beyond_the_limit_are_left_out_and_told():
    made = ordered(*(action(n) for n in range(1, 6)), limit=3)
    assert len(made.actions) == 3
    assert "at most 3" in made.problems[0]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.lists(st.integers(0, 10), max_size=4),
        st.lists(st.integers(0, 10), max_size=3),
    ),
    max_size=8,
)


@given(STEPS, st.integers(1, 6))
def test_whatever_is_proposed_every_need_lies_before_the_step(steps, first):
    proposed = [
        action(number, *needs, text=" ".join(f"{{{{step{n}.x}}}}" for n in references))
        for number, needs, references in steps
    ]
    known = range(1, first)
    made = ordered(*proposed, first=first, known=known, limit=6)
    assert len(made.actions) == min(len(steps), 6)
    for number, done in enumerate(made.actions, start=first):
        needs = {*done.depends_on, *referenced_steps(done.parameters)}
        assert all(n < number and n >= 1 for n in needs), (number, needs)


@given(st.text(max_size=30), st.integers(1, 99), st.integers(1, 99))
def test_renumbering_changes_references_and_nothing_else(text, old, new):
    value = {"a": [text, f"{{{{step{old}.b.c[0]}}}}"], "n": 3}
    changed = renumbered(value, {old: new})
    assert changed["a"][1] == f"{{{{step{new}.b.c[0]}}}}"
    assert changed["n"] == 3
    assert renumbered(value, {}) == value


def test_a_broken_reference_is_none_any_more():
    value = {"a": "x {{step3.y}} {{ step4 }}"}
    assert referenced_steps(value) == {3, 4}
    assert referenced_steps(without_references(value, frozenset({3}))) == {4}
