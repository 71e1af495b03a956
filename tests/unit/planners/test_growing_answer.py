"""The answer is read out of growing JSON, whole, and never before it is certain to be one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.planners.growing_answer import GrowingAnswer, GrowingObject
from agent_engine.planners.reply_parsing import spoken_so_far, thinks_unmarked, without_thinking
from tests.fakes.runs import UNHURRIED

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
NASTY = st.text(
    st.one_of(
        st.characters(), st.sampled_from('"\\/\n\t{}[],:😀\u2028'), st.characters(codec=None)
    ),
    max_size=40,
)


def told(text, cuts=None):
    """What is told of a reply that arrives with these beginnings."""
    heard = []
    growing = GrowingAnswer(heard.append, word="mode", text="answer")
    for cut in cuts if cuts is not None else range(1, len(text) + 1):
        growing(text[:cut])
    return heard


def whole(answer, **more):
    return {"mode": "answer", "answer": answer, "question": "", "choices": [], "steps": []} | more


@UNHURRIED
@given(
    answer=NASTY, others=st.dictionaries(st.text(max_size=4), VALUES, max_size=3), data=st.data()
)
def test_whatever_way_an_answer_is_split_its_beginnings_are_told(answer, others, data):
    is_ascii, indent = data.draw(st.booleans()), data.draw(st.sampled_from([None, 1]))
    fields = {**others, **whole(answer)}
    text = json.dumps(fields, ensure_ascii=is_ascii, indent=indent)
    cuts = sorted({*data.draw(st.lists(st.integers(1, len(text)), max_size=12)), len(text)})
    heard = told(text, cuts)
    assert all(answer.strip().startswith(piece) for piece in heard)
    assert (heard or [""])[-1] == answer.strip()


@UNHURRIED
@given(fields=st.dictionaries(st.text(max_size=6), VALUES, max_size=5), indent=st.booleans())
def test_all_texts_of_an_object_are_read_and_nothing_else(fields, indent):
    text = json.dumps(fields, indent=1 if indent else None)
    growing = GrowingObject()
    for end in range(1, len(text) + 1):
        growing.grow(text[:end])
    assert growing.texts == {k: v for k, v in fields.items() if isinstance(v, str)}
    assert growing.whole == growing.texts.keys()


@UNHURRIED
@given(text=st.text(st.sampled_from('{}[]",:\\u0adDm "answermode\n'), max_size=60))
def test_no_text_breaks_the_reader(text):
    for piece in told(text):
        assert isinstance(piece, str)


@pytest.mark.parametrize("mode", ["plan", "ask", "stepwise", "split", "", "answers"])
def test_what_is_no_answer_is_never_told(mode):
    assert told(json.dumps(whole("a draft of an answer", mode=mode))) == []


def test_an_answer_before_its_mode_waits_for_it():
    text = json.dumps({"answer": "It is 42.", "mode": "answer"})
    assert told(text, range(1, len(text) - 3)) == []
    assert told(text) == ["It is 42."]


@pytest.mark.parametrize("before", ["", "\n ", "```json\n", "```\n", "<think>a {plan}</think>\n"])
def test_fences_and_thinking_before_the_object_are_passed_over(before):
    assert told(before + json.dumps(whole("Yes.")))[-1] == "Yes."


@pytest.mark.parametrize(
    "text",
    [
        'Sure! {"mode": "answer", "answer": "x"}',
        '[{"mode": "answer", "answer": "x"}]',
        '{"plan": {"mode": "answer", "answer": "x"}}',
        '{"answer": "\\x", "mode": "answer"}',
        '{"mode": {"mode": "answer"}, "answer": "x"}',
    ],
)
def test_what_is_not_plainly_the_object_is_told_only_when_it_is_whole(text):
    assert told(text) == []


def test_a_pair_of_surrogates_is_never_cut_in_two():
    text = r'{"mode":"answer","answer":"a\ud83d\ude00b\ud83d!"}'
    assert told(text) == ["a", "a😀", "a😀b", "a😀b\ud83d!"]


def test_a_model_that_begins_anew_takes_back_what_it_told():
    heard = []
    growing = GrowingAnswer(heard.append, word="mode", text="answer")
    growing(json.dumps(whole("First")))
    growing("")
    growing(json.dumps(whole("Second")))
    assert heard == ["First", "", "Second"]


# -- thinking ------------------------------------------------------------------------------------

SPOKEN = "<think>Mars… <b> two?</think>\nIt has <b>two</b> moons, I <think>surely</think> say."


def test_thinking_is_never_told():
    so_far = [spoken_so_far(SPOKEN[:end]) for end in range(len(SPOKEN) + 1)]
    assert all(without_thinking(SPOKEN).startswith(piece.rstrip()) for piece in so_far)
    assert so_far[-1] == without_thinking(SPOKEN)


def test_thinking_whose_beginning_is_not_marked_is_held_back_once_it_is_known():
    text = "Let me see… two.</think>It has two moons."
    assert thinks_unmarked(text)
    assert not thinks_unmarked(SPOKEN)
    so_far = [spoken_so_far(text[:end], thinks_unmarked=True) for end in range(len(text) + 1)]
    assert all("It has two moons.".startswith(piece) for piece in so_far)
    assert so_far[-1] == "It has two moons."
