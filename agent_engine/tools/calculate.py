"""Arithmetic by its own parser: exact where mathematics is, bounded everywhere, without ``eval``.

``evaluate`` is pure and needs no sandbox, so planners without a model use it too. It must not grow
into a programming language: no names are bound, nothing is called but the functions listed here.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from pydantic import Field

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.types import JsonObject

Number = int | Fraction | float
"""Whole and broken numbers are exact; only what has no exact value is a float."""

MAX_EXPRESSION_CHARS: Final = 1_000
MAX_NESTING: Final = 40
MAX_BITS: Final = 3_400
"""About 1,000 decimal digits, for numerators and denominators alike."""
MAX_FACTORIAL: Final = 400
_MAX_EXPONENT_DIGITS: Final = 4
_SHOWN_DIGITS: Final = 15
_MAX_DECIMAL_PLACES: Final = 30
_ANGLE_NOISE: Final = 1e-15
_MAX_SAFE_INTEGER: Final = 2**53


class CalculationError(ToolError):
    """This expression cannot be calculated."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_SPELLINGS: Final = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{BULLET OPERATOR}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{RATIO}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{SQUARE ROOT}": " sqrt ",
        "\N{GREEK SMALL LETTER PI}": " pi ",
    }
    | dict.fromkeys("\u00a0\u2009\u202f", " ")
)
_NUMBER: Final = re.compile(r"(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![\w.]))?")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_OPERATOR: Final = re.compile(r"\*\*|//|[-+*/%^!(),]")
_CONSTANTS: Final[dict[str, Number]] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_ASKING: Final = re.compile(r"^\s*=|[=?]\s*$")


def evaluate(text: str) -> Number:
    """Return the value of an arithmetic expression.

    ``%`` after an operand is per cent unless another operand follows; ``^`` and ``**`` are powers;
    ``1,000`` is a thousand outside a function's parentheses.

    Raises:
        CalculationError: the text is no expression, or has no value that can be told.

    >>> evaluate("17*23"), evaluate("1/3"), evaluate("1,000 * 20%")
    (391, Fraction(1, 3), 200)
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise CalculationError(f"the expression has more than {MAX_EXPRESSION_CHARS} characters")
    plain = _ASKING.sub("", text).translate(_SPELLINGS)
    tokens = _tokens(plain)
    if len(tokens) == 1:
        raise CalculationError("the expression is empty")
    try:
        return _Parser(tokens).whole()
    except ZeroDivisionError as error:
        raise CalculationError("this divides by zero") from error
    except OverflowError as error:
        raise CalculationError("the numbers become too large") from error
    except ValueError as error:
        raise CalculationError("this has no real value") from error


def format_number(number: Number) -> str:
    """Write a number for people: exact where decimals can say it, else to 15 digits.

    >>> format_number(Fraction(3, 10)), format_number(Fraction(1, 3))
    ('0.3', '1/3 ≈ 0.333333333333333')
    """
    match number:
        case int():
            return str(number)
        case float():
            return _short_float(number)
        case Fraction():
            return _written_out(number) or _ratio(number)


# -- reading ------------------------------------------------------------------------------------


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    calls: list[bool] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _token(text, at, in_call=any(calls))
        if token.text == "(":
            calls.append(bool(tokens) and tokens[-1].kind == "name")
        elif token.text == ")" and calls:
            calls.pop()
        tokens.append(token)
        at += len(token.text)
    return [*tokens, _Token("end", "", len(text))]


def _token(text: str, at: int, *, in_call: bool) -> _Token:
    patterns = [("number", _NUMBER), ("name", _NAME), ("operator", _OPERATOR)]
    if not in_call:  # inside a call a comma separates arguments
        patterns.insert(0, ("number", _GROUPED))
    for kind, pattern in patterns:
        if found := pattern.match(text, at):
            return _Token(kind, found.group(), at)
    raise CalculationError(f"{text[at]!r} at position {at + 1} is not part of arithmetic")


@dataclass(slots=True)
class _Parser:
    """Recursive descent: sum, product, sign, power, postfix, atom; values are made on the way."""

    tokens: list[_Token]
    at: int = 0
    depth: int = 0

    def whole(self) -> Number:
        value = self._sum()
        if self._next.kind != "end":
            raise self._unexpected()
        return value

    @property
    def _next(self) -> _Token:
        return self.tokens[self.at]

    def _take(self, *texts: str) -> str:
        token = self._next
        if token.kind == "end" or token.text.lower() not in texts:
            return ""
        self.at += 1
        return token.text.lower()

    def _unexpected(self) -> CalculationError:
        token = self._next
        if token.kind == "end":
            return CalculationError("the expression ends too early")
        return CalculationError(f"{token.text!r} at position {token.at + 1} is not expected there")

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise CalculationError(f"the expression is nested deeper than {MAX_NESTING}")
        yield
        self.depth -= 1

    def _sum(self) -> Number:
        value = self._product()
        while operator := self._take("+", "-"):
            right = self._product()
            value = _bounded(value + right if operator == "+" else value - right)
        return value

    def _product(self) -> Number:
        value = self._signed()
        while operator := self._take("*", "/", "//", "%", "mod", "of"):
            value = _PRODUCTS[operator](value, self._signed())
        return value

    def _signed(self) -> Number:
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        value = self._power()
        return -value if negative else value

    def _power(self) -> Number:
        base = self._postfix()
        if not self._take("^", "**"):
            return base
        with self._deeper():
            return _power(base, self._signed())

    def _postfix(self) -> Number:
        with self._deeper():
            value = self._atom()
        while True:
            if self._take("!"):
                value = _factorial(value)
            elif self._next.text == "%" and not self._operand_after_percent():
                self.at += 1
                value = _divide(value, 100)
            else:
                return value

    def _operand_after_percent(self) -> bool:
        after = self.tokens[self.at + 1]
        is_word = after.text.lower() in ("of", "mod")
        return (after.kind in ("number", "name") and not is_word) or after.text == "("

    def _atom(self) -> Number:
        token = self._next
        self.at += 1
        match token.kind:
            case "number":
                return _literal(token.text)
            case "name":
                return self._named(token)
            case _ if token.text == "(":
                value = self._sum()
                self._close()
                return value
            case _:
                self.at -= 1
                raise self._unexpected()

    def _named(self, token: _Token) -> Number:
        name = token.text.lower()
        if name == "sqrt" and self._next.text != "(":  # the sign √ stands before its operand
            return _FUNCTIONS["sqrt"].apply([self._postfix()])
        if function := _FUNCTIONS.get(name):
            return function.checked(name, self._arguments(name))
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        known = ", ".join(sorted({*_FUNCTIONS, *_CONSTANTS}))
        raise CalculationError(f"{token.text[:30]!r} is not known; there are: {known}")

    def _arguments(self, name: str) -> list[Number]:
        if not self._take("("):
            raise CalculationError(f"{name} needs parentheses, as in {name}(2)")
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._close()
        return values

    def _close(self) -> None:
        if not self._take(")"):
            if self._next.kind == "end":
                raise CalculationError("a closing parenthesis is missing")
            raise self._unexpected()


def _literal(text: str) -> Number:
    plain = text.replace(",", "").replace("_", "")
    exponent = re.split("[eE]", plain)[1:]
    if exponent and len(exponent[0].lstrip("+-")) > _MAX_EXPONENT_DIGITS:
        raise CalculationError("the numbers become too large")
    return _bounded(Fraction(plain if not plain.endswith(".") else plain[:-1]))


# -- arithmetic ----------------------------------------------------------------------------------


def _bounded(value: Number) -> Number:
    """Return the value in its plainest form, refusing what is too large to go on with."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CalculationError("the numbers become too large")
        return value
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise CalculationError("the numbers become too large")
    return value.numerator if value.denominator == 1 else value


def _exact(value: Number) -> int | Fraction | None:
    return None if isinstance(value, float) else value


def _size(value: Number) -> Number:
    return -value if value < 0 else value


def _times(left: Number, right: Number) -> Number:
    return _bounded(left * right)


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, float) or isinstance(right, float):
        return _bounded(left / right)
    return _bounded(Fraction(left) / Fraction(right))


def _floor_divide(left: Number, right: Number) -> Number:
    return _bounded(left // right)


def _remainder(left: Number, right: Number) -> Number:
    return _bounded(left % right)


_PRODUCTS: Final[dict[str, Callable[[Number, Number], Number]]] = {
    "*": _times,
    "of": _times,
    "/": _divide,
    "//": _floor_divide,
    "%": _remainder,
    "mod": _remainder,
}


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    exact = _exact(base)
    if exact is not None and isinstance(exponent, int):
        return _whole_power(exact, exponent)
    if exponent == Fraction(1, 2):
        return _sqrt(base)
    if base < 0 and not float(exponent).is_integer():
        raise CalculationError("this power has no real value")
    return _bounded(math.pow(base, exponent))


def _whole_power(base: int | Fraction, exponent: int) -> Number:
    bits = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
    if abs(base) != 1 and base != 0 and (bits - 1 or 1) * abs(exponent) > MAX_BITS:
        raise CalculationError("the numbers become too large")
    if abs(base) == 1 or base == 0:
        return base**2 if exponent % 2 == 0 and exponent else (1 if exponent == 0 else int(base))
    return _bounded(Fraction(base) ** exponent)


def _sqrt(value: Number) -> Number:
    if value < 0:
        raise CalculationError("the square root of a negative number is not a real number")
    exact = _exact(value)
    if exact is not None:
        top, bottom = math.isqrt(exact.numerator), math.isqrt(exact.denominator)
        if top * top == exact.numerator and bottom * bottom == exact.denominator:
            return _bounded(Fraction(top, bottom))
    return math.sqrt(value)


def _factorial(value: Number) -> Number:
    if not isinstance(value, int) or value < 0:
        raise CalculationError("a factorial needs a whole number that is not negative")
    if value > MAX_FACTORIAL:
        raise CalculationError(f"a factorial is calculated up to {MAX_FACTORIAL}")
    return math.factorial(value)


def _round(value: Number, places: Number = 0) -> Number:
    """Round half away from zero, as people do by hand."""
    if not isinstance(places, int) or abs(places) > _MAX_DECIMAL_PLACES:
        raise CalculationError("round needs a whole number of places, at most 30")
    scale = Fraction(10) ** places
    scaled = Fraction(repr(value) if isinstance(value, float) else value) * scale
    rounded = math.floor(abs(scaled) + Fraction(1, 2)) * (1 if scaled >= 0 else -1)
    return _bounded(rounded / scale)


def _logarithm(value: Number, base: Number = math.e) -> Number:
    if value <= 0 or base <= 0 or base == 1:
        raise CalculationError("a logarithm needs a positive number and a positive base but 1")
    exact, whole_base = _exact(value), _exact(base)
    if isinstance(exact, int) and isinstance(whole_base, int):
        guess = round(math.log(exact, whole_base))
        if guess >= 0 and whole_base**guess == exact:
            return guess
    return math.log(value) if base == math.e else math.log(value, base)


def _whole_numbers(values: list[Number]) -> list[int]:
    whole = [value for value in values if isinstance(value, int)]
    if len(whole) != len(values):
        raise CalculationError("this function needs whole numbers")
    return whole


@dataclass(frozen=True, slots=True)
class _Function:
    apply: Callable[[list[Number]], Number]
    least: int = 1
    most: int = 1

    def checked(self, name: str, values: list[Number]) -> Number:
        if not self.least <= len(values) <= self.most:
            wanted = self.least if self.least == self.most else f"{self.least} to {self.most}"
            raise CalculationError(f"{name} takes {wanted} arguments, not {len(values)}")
        try:
            return _bounded(self.apply(values))
        except ValueError as error:
            raise CalculationError(f"{name} has no real value there") from error


def _of_one(function: Callable[[float], float]) -> _Function:
    return _Function(lambda values: function(float(values[0])))


def _of_angle(function: Callable[[float], float]) -> _Function:
    """Call a nought of a large angle nought: pi itself is rounded, so sin(pi) misses it."""

    def apply(values: list[Number]) -> Number:
        value = function(float(values[0]))
        return 0 if _size(value) < _ANGLE_NOISE and _size(values[0]) > 1 else value

    return _Function(apply)


def _total(values: list[Number]) -> Number:
    return _bounded(sum(values, start=0))


_MANY: Final = MAX_EXPRESSION_CHARS
_FUNCTIONS: Final[dict[str, _Function]] = {
    "sqrt": _Function(lambda values: _sqrt(values[0])),
    "abs": _Function(lambda values: _size(values[0])),
    "round": _Function(lambda values: _round(*values), most=2),
    "floor": _Function(lambda values: math.floor(values[0])),
    "ceil": _Function(lambda values: math.ceil(values[0])),
    "min": _Function(min, most=_MANY),
    "max": _Function(max, most=_MANY),
    "sum": _Function(_total, most=_MANY),
    "mean": _Function(lambda values: _divide(_total(values), len(values)), most=_MANY),
    "factorial": _Function(lambda values: _factorial(values[0])),
    "gcd": _Function(lambda values: math.gcd(*_whole_numbers(values)), most=_MANY),
    "lcm": _Function(lambda values: math.lcm(*_whole_numbers(values)), most=_MANY),
    "pow": _Function(lambda values: _power(*values), least=2, most=2),
    "log": _Function(lambda values: _logarithm(*values), most=2),
    "ln": _Function(lambda values: _logarithm(values[0])),
    "log10": _Function(lambda values: _logarithm(values[0], 10)),
    "log2": _Function(lambda values: _logarithm(values[0], 2)),
    "exp": _of_one(math.exp),
    "sin": _of_angle(math.sin),
    "cos": _of_angle(math.cos),
    "tan": _of_angle(math.tan),
    "asin": _of_one(math.asin),
    "acos": _of_one(math.acos),
    "atan": _of_one(math.atan),
    "radians": _of_one(math.radians),
    "degrees": _of_one(math.degrees),
}


# -- writing ------------------------------------------------------------------------------------


def _short_float(number: float) -> str:
    text = f"{number:.{_SHOWN_DIGITS}g}"
    return "0" if text == "-0" else text


def _written_out(number: Fraction) -> str:
    """Write a fraction as an exact decimal; empty when it has none, or too long a one."""
    for places in range(1, _MAX_DECIMAL_PLACES + 1):
        scaled = number * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            sign = "-" if number < 0 else ""
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return ""


def _ratio(number: Fraction) -> str:
    exact = f"{number.numerator}/{number.denominator}"
    context = Context(prec=_SHOWN_DIGITS)
    about = str(context.divide(Decimal(number.numerator), Decimal(number.denominator)))
    return f"{exact} ≈ {about}" if len(exact) <= 2 * _SHOWN_DIGITS else about


# -- the tool -----------------------------------------------------------------------------------


class CalculateParameters(Parameters):
    """What ``calculate`` takes."""

    expression: str = Field(
        max_length=MAX_EXPRESSION_CHARS,
        description="Arithmetic such as '17*23', '(1200 - 15%) / 4' or 'sqrt(2)'.",
    )


async def _calculate(parameters: CalculateParameters, _context: ToolContext) -> JsonObject:
    number = evaluate(parameters.expression)
    result: dict[str, object] = {"success": True, "result": format_number(number)}
    if _size(number) <= _MAX_SAFE_INTEGER:
        result["value"] = number if isinstance(number, int) else float(number)
    return result


def _describe(_arguments: JsonObject, result: JsonObject) -> str:
    return str(result["result"]) if result.get("success") else ""


def calculate() -> DeclaredTool[CalculateParameters]:
    """Return the tool that does arithmetic."""
    return DeclaredTool(
        name="calculate",
        description=(
            "Calculate an arithmetic expression exactly: + - * / // % ^ parentheses, per cent, "
            "sqrt, abs, round, floor, ceil, min, max, sum, mean, gcd, lcm, log, ln, exp, sin, cos, "
            "tan, factorial, pi, e. 'result' is the exact value as text, 'value' a number."
        ),
        parameters=CalculateParameters,
        run=_calculate,
        traits=ToolTraits(timeout_s=5.0, idempotent=True, untrusted=False),
        describe=_describe,
    )
