"""Advice for numbers as people type them, such as `1_000`, `1,5`, `12px` and `50%`."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .parameter import Widget

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_GROUPED = re.compile(r"[-+]?[0-9]{1,3}([ _',.\xa0\u202f\u2019][0-9]{3})+")
_SEPARATED = re.compile(r"[-+]?[0-9]+(_[0-9]+)+")
_UNIT = re.compile(r"([-+]?[0-9]*\.?[0-9]+)\s*([^\W\d_]+|%|\u00b0)")
QUOTES = "\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb`"
SPACES = " \t\xa0\u2007\u202f\u3000\u200b\ufeff"
_SIGNS = str.maketrans("\u2212\u2013\u2014\uff0d\uff0b", "---" + "-+")
_NOT_FINITE = re.compile(r"[-+]?\.?(inf|infinity|nan|\u221e)", re.IGNORECASE)


def number_advice(value: Any, widget: Widget) -> str:
    """Returns what to write instead of a value that is not a number, or "" if that is unknown."""
    whole = widget.kind == "int"
    if isinstance(value, bool):
        return f"write {int(value)}"
    if isinstance(value, float) and whole:
        return f"write {math.floor(value)} or {math.ceil(value)}"
    if not isinstance(value, str):
        return ""
    if _NOT_FINITE.fullmatch(value.strip()) or _is_huge(value):
        most = widget.limits.get("le")
        return "write a finite number" + ("" if most is None else f"; the maximum is {most}")
    text = value.strip(QUOTES + SPACES)
    if _NUMBER.fullmatch(text):
        return (
            "write it without quotes"
            if text == value
            else f"write {text}, without quotes or spaces around it"
        )
    ascii_text = _with_ascii_digits(text).translate(_SIGNS)
    if ascii_text != text and _NUMBER.fullmatch(ascii_text):
        return f"write {ascii_text}, with the digits and signs of a plain keyboard"
    if _SEPARATED.fullmatch(text):
        return f"write {text.replace('_', '')}, without underscores"
    if _GROUPED.fullmatch(text):
        joined = re.sub(r"[^-+0-9]", "", text)
        if whole or text.count(",") != 1:
            return f"write {joined}, without anything between the digits"
        return f"write {joined} or {text.replace(',', '.')}, without a comma"
    if re.fullmatch(r"[-+]?[0-9]*,[0-9]+", text):
        return f"write {text.replace(',', '.')}, with a point" if not whole else ""
    unit = _UNIT.fullmatch(text)
    if unit is None:
        return ""
    if unit[2] == "%" and not whole and widget.limits.get("le") == 1:
        return f"write {float(unit[1]) / 100:g}"
    return f"write {unit[1]}, without {unit[2]!r}"


def _is_huge(text: str) -> bool:
    try:
        return bool(_NUMBER.fullmatch(text)) and math.isinf(float(text))
    except (ValueError, OverflowError):
        return False


def _with_ascii_digits(text: str) -> str:
    """Returns a text with the digits of other scripts, and full-width ones, replaced by 0 to 9."""
    return "".join(
        str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text
    )
