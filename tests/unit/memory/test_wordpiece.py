"""Texts as a BERT model's tokens; the numbers are those of the ``tokenizers`` library."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.memory.minilm import _vocabulary

BEGIN, END = 101, 102


@cache
def words():
    return _vocabulary()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("Hello, World!", [7592, 1010, 2088, 999]),
        ("naïve CAFÉ re-embedding", [15743, 7668, 2128, 1011, 7861, 8270, 4667]),
        ("ΣΊΣΥΦΟΣ İstanbul", [1173, 18199, 29733, 29735, 29736, 29730, 29733, 9960]),
        ("会議は火曜日 v2.0", [1763, 100, 1672, 1906, 100, 1864, 1058, 2475, 1012, 1014]),
        ("a" * 101 + " b", [100, 1038]),
        ("x\x00y\x1cz\u2028ü\ufffd", [1060, 2100, 2480, 1057]),
        ("$5 ^`~ (ok)", [1002, 1019, 1034, 1036, 1066, 1006, 7929, 1007]),
    ],
)
def test_a_text_becomes_the_tokens_that_the_model_was_trained_with(text, numbers):
    assert words().tokens(text, most=256) == [BEGIN, *numbers, END]


@given(st.text(max_size=400), st.integers(2, 40))
def test_any_text_becomes_at_most_so_many_tokens_between_the_two_marks(text, most):
    tokens = words().tokens(text, most=most)
    assert len(tokens) <= most
    assert (tokens[0], tokens[-1]) == (BEGIN, END)
    assert not {BEGIN, END} & set(tokens[1:-1])


def test_marks_of_the_model_in_a_text_are_only_letters_and_brackets():
    tokens = words().tokens("[SEP] [CLS] [MASK]", most=256)
    assert not {BEGIN, END, 103} & set(tokens[1:-1])
