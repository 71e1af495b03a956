"""Arithmetic: exact, bounded, and with errors that say what is wrong."""

import math
import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tools.calculate import CalculationError, calculate, evaluate, format_number
from agent_engine.tools.call import ToolCaller
from tests.fakes.tools import StoppedClock, tool_context


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("17*23", "391"),
        ("0.1+0.2", "0.3"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4"),
        ("2 ^ 3 ^ 2", "512"),
        ("2^-3", "0.125"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("5 mod 3", "2"),
        ("20% of 50", "10"),
        ("50 * 20%", "10"),
        ("100 + 10%", "100.1"),
        ("50%", "0.5"),
        ("9 \N{MULTIPLICATION SIGN} 3 ÷ 2 \N{MINUS SIGN} 1", "12.5"),
        ("1,000,000 + 1", "1000001"),
        ("1_000 * 2", "2000"),
        ("1,234.5", "1234.5"),
        ("max(1,200)", "200"),
        ("max(1e3, 2)", "1000"),
        ("1.5e-3", "0.0015"),
        ("1e-999", "1E-999"),
        (".5 + 5.", "5.5"),
        ("√16 + sqrt(1/4)", "4.5"),
        ("sqrt(2)", "1.4142135623731"),
        ("sin(pi)", "0"),
        ("cos(0)", "1"),
        ("5! / 3!", "20"),
        ("factorial(20)", "2432902008176640000"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("abs(-3) + floor(2.9) + ceil(2.1)", "8"),
        ("log(8, 2) + log10(1000)", "6"),
        ("mean(1, 2, 4)", "7/3 ≈ 2.33333333333333"),
        ("gcd(12, 18) + lcm(4, 6)", "18"),
        ("1/3", "1/3 ≈ 0.333333333333333"),
        ("10/4", "2.5"),
        ("0**0", "1"),
        ("(-1)**99999999", "-1"),
        ("17*23 =", "391"),
        ("what is 1", None),
        ("2 3", None),
        ("", None),
        ("(1", None),
        ("1)", None),
        ("1 +", None),
        ("1,00", None),
        ("import os", None),
        ("__import__('os')", None),
        ("1/0", None),
        ("1 % 0", None),
        ("0 ** -1", None),
        ("9**9**9", None),
        ("9**9**9**9**9", None),
        ("(9**999)**999", None),
        ("0.5 ** 99999", None),
        ("1e99999", None),
        ("factorial(401)", None),
        ("factorial(2.5)", None),
        ("factorial(factorial(100))", None),
        ("sqrt(-1)", None),
        ("(-8) ** 0.3", None),
        ("asin(2)", None),
        ("log(0)", None),
        ("exp(1000)", None),
        ("10.0 ** 400.5", None),
        ("sqrt()", None),
        ("sqrt(1, 2)", None),
        ("sqrt", None),
        ("(" * 500 + "1" + ")" * 500, None),
        ("√" * 900 + "4", None),
        ("2^" * 400 + "1", None),
        ("1+" * 600 + "1", None),
        ("sum(" + "9," * 300 + "1)", "2701"),
    ],
)
def test_an_expression_has_its_exact_value_or_an_error(text, written):
    if written is not None:
        assert format_number(evaluate(text)) == written
        return
    with pytest.raises(CalculationError) as failure:
        evaluate(text)
    assert failure.value.message


@given(st.text(max_size=60))
def test_any_text_has_a_value_or_a_clear_error(text):
    try:
        format_number(evaluate(text))
    except CalculationError as error:
        assert error.message  # noqa: PT017  either way is right; what matters is that nothing else comes


@given(st.text(alphabet="0123456789.,+-*/%^()! esinqrtmax", max_size=40))
def test_what_looks_like_arithmetic_has_a_value_or_a_clear_error(text):
    try:
        format_number(evaluate(text))
    except CalculationError as error:
        assert error.message  # noqa: PT017  as above


NUMBERS = st.integers(0, 10_000).map(lambda number: (str(number), f"Fraction({number})"))
DECIMALS = st.decimals("0", "999", places=3).map(
    lambda number: (str(number), f"Fraction('{number}')")
)


def joined(parts):
    left, sign, right = parts
    return (f"({left[0]} {sign} {right[0]})", f"({left[1]} {sign} {right[1]})")


EXPRESSIONS = st.recursive(
    NUMBERS | DECIMALS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(joined)
        | inner.map(lambda part: (f"(-{part[0]})", f"(-{part[1]})"))
        | st.tuples(inner, st.integers(0, 3)).map(
            lambda part: (f"({part[0][0]} ** {part[1]})", f"({part[0][1]} ** {part[1]})")
        )
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_the_value_is_the_one_that_exact_python_finds(expression):
    ours, pythons = expression
    try:
        expected = eval(pythons, {"Fraction": Fraction})  # noqa: S307  made by this test
    except ZeroDivisionError:
        with pytest.raises(CalculationError):
            evaluate(ours)
        return
    try:
        assert evaluate(ours) == expected
    except CalculationError as error:
        assert "too large" in error.message  # noqa: PT017  the only excuse


@given(st.integers(-(10**6), 10**6), st.integers(1, 999))
def test_precedence_and_signs_without_parentheses_are_pythons(left, right):
    text = f"{left}*{right}-{right}**2//3+{left}"

    assert evaluate(text) == left * right - right**2 // 3 + left


def test_floats_come_only_where_there_is_no_exact_value():
    assert evaluate("sqrt(49/4)") == Fraction(7, 2)
    assert operator.eq(evaluate("sqrt(2)"), math.sqrt(2))
    assert isinstance(evaluate("6/3"), int)


async def test_the_tool_gives_the_exact_text_a_number_and_a_line_for_people(tmp_path):
    calls = ToolCaller([calculate()], StoppedClock())
    seen = await calls.call("calculate", {"expression": "17*23"}, tool_context(tmp_path))
    huge = await calls.call("calculate", {"expression": "10**400 + 1/3"}, tool_context(tmp_path))
    bad = await calls.call("calculate", {"expression": "17 * x"}, tool_context(tmp_path))

    assert seen.content == {"success": True, "result": "391", "value": 391}
    assert seen.outcome == "391"
    assert huge.success
    assert "value" not in huge.content
    assert "'x' is not known" in (bad.error or "")
