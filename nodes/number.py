"""Numbers and texts."""

from __future__ import annotations

import math as mathematics
from typing import Annotated, Literal

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Number, Text
from ..contract.widgets import Choices

_EXACT = 2**53  # above this limit, a whole number becomes a float, so that its size is limited
_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "×",
    "divide": "/",
    "power": "to the power of",
    "min": "min",
    "max": "max",
}


@node(title="Number", category="calculate", words="value, slider, constant, knob, 数值, 常数")
def number(
    *, value: Annotated[int | float, Field(description="The number", allow_inf_nan=False)] = 0
) -> Number:
    """Provide one number for several widgets, or for `math`."""
    return value


@node(title="Math", category="calculate", words="calculate, add, multiply, formula, 计算, 公式")
def math(
    *,
    a: Annotated[int | float, Field(description="First operand", allow_inf_nan=False)] = 0,
    b: Annotated[int | float, Field(description="Second operand", allow_inf_nan=False)] = 0,
    op: Annotated[
        Literal["add", "subtract", "multiply", "divide", "power", "min", "max"],
        Field(description="The operation"),
        Choices(
            {
                "add": "the sum, a + b",
                "subtract": "the difference, a - b",
                "multiply": "the product, a × b",
                "divide": "the quotient, a / b",
                "power": "a to the power of b",
                "min": "the smaller of a and b",
                "max": "the larger of a and b",
            }
        ),
    ] = "add",
) -> Number:
    """Calculate with two numbers.

    If both numbers are whole, the result is whole too, if possible.

    Raises: NodeError if the result is not a finite real number.
    """
    try:
        result = _calculate(a, b, op)
    except ZeroDivisionError:
        raise NodeError(f"{a} {_SIGNS[op]} {b} is a division by zero", "change b") from None
    except OverflowError:
        result = mathematics.inf
    if isinstance(result, complex) or not mathematics.isfinite(result):
        raise NodeError(f"{a} {_SIGNS[op]} {b} is not a finite real number", "change a or b")
    return float(result) if abs(result) > _EXACT else result


def _calculate(a: int | float, b: int | float, op: str) -> int | float | complex:
    if op == "add":
        return a + b
    if op == "subtract":
        return a - b
    if op == "multiply":
        return a * b
    if op == "divide":
        quotient = a / b
        both_whole = isinstance(a, int) and isinstance(b, int)
        return int(quotient) if both_whole and quotient.is_integer() else quotient
    if op == "power":
        power = float(a) ** float(b)
        both_whole = isinstance(a, int) and isinstance(b, int)
        small = not isinstance(power, complex) and abs(power) <= _EXACT
        return int(power) if both_whole and b >= 0 and small else power
    return min(a, b) if op == "min" else max(a, b)


@node(title="Text", category="calculate", words="string, words, prompt, constant, 文本, 字符串")
def text(*, text: Annotated[str, Field(description="The text", max_length=10_000)] = "") -> Text:
    """Provide one text for several widgets."""
    return text
