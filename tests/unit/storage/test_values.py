"""Small rules of storage: Slack times, text and JSON that databases can hold, lease numbers."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from storage.channels import later_ts
from storage.columns import UtcTime, storable, to_json
from storage.leases import lock_number


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        ("1000.000100", "999.000900", "1000.000100"),
        ("1000.000100", "1000.000200", "1000.000200"),
        ("1000.000100", None, "1000.000100"),
        (None, "0.000000", "0.000000"),
        (None, None, None),
    ],
)
def test_slack_times_are_compared_as_numbers(
    one: str | None, other: str | None, later: str | None
) -> None:
    assert later_ts(one, other) == later
    assert later_ts(other, one) == later


@given(st.text())
def test_storable_text_is_the_same_but_for_what_nothing_can_hold(text: str) -> None:
    held = storable(text)
    held.encode()
    assert "\x00" not in held
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert held == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_json_value_is_ascii_text_and_comes_back(value: object) -> None:
    text = to_json(value)
    assert text.isascii()
    assert "\x00" not in text
    assert json.loads(text) == value


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        UtcTime().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001  # the point


def test_leases_have_different_numbers_that_fit_in_64_bits() -> None:
    numbers = {lock_number(f"gateway T{n}") for n in range(100)}
    assert len(numbers) == 100
    assert all(-(2**63) <= number < 2**63 for number in numbers)
