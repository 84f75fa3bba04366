"""What an artist decided about the pictures of a folder: which to drop, move, crop and rate.

A review is a YAML file that is written by hand or by the editor:

    review: 1          # version of the format
    pictures:
      cats/IMG_01.jpg: {drop: true}
      cats/IMG_02.jpg: {keep: true, class: tabby, stars: 5, crop: [0.1, 0.0, 0.8, 1.0]}

docs/folders.md describes it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .packed import SourceError
from .walk import printable
from .yaml_nodes import Node, YamlError, read_nodes

VERSION = 1
MOST_STARS = 5
MOST_BYTES = 1 << 24  # largest size of a review
MOST_CLASS = 200  # longest name of a class in characters
_MOST_COMPARED = 20_000  # names that are compared to find one that is similar
_SLACK = 1e-6  # how far a crop may lead out of the picture, because fractions are rounded
_DIGITS = re.compile("[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLS = {**dict.fromkeys(("true", "True", "TRUE"), True)} | dict.fromkeys(
    ("false", "False", "FALSE"), False
)

Box = tuple[float, float, float, float]  # left, top, width, height as fractions of the picture


class Choice(NamedTuple):
    """What was decided about one picture.

    drop:   whether it is left out.
    keep:   whether it was looked at and is wanted, so that no preparation leaves it out.
    label:  its class instead of that of its folder; None for no other. The file calls it `class`.
    stars:  0 to 5; None if it is not rated.
    crop:   the part that is used; None for all. Fractions of the upright picture.
    """

    drop: bool = False
    keep: bool = False
    label: str | None = None
    stars: int | None = None
    crop: Box | None = None

    def fields(self) -> dict[str, Any]:
        """Returns what is not usual, as in the file: {"drop": true}, {"class": "tabby"}."""
        found = {
            "drop": self.drop or None,
            "keep": self.keep or None,
            "class": self.label,
            "stars": self.stars,
            "crop": None if self.crop is None else list(self.crop),
        }
        return {name: value for name, value in found.items() if value is not None}


Review = dict[str, Choice]  # by the names of the pictures, in the order of the file
FIELDS = ("drop", "keep", "class", "stars", "crop")


class ReviewError(SourceError):
    """A review that can't be used. `line` is the number of the line, from 1; 0 if unknown."""

    def __init__(self, what: str, advice: str, line: int = 0) -> None:
        super().__init__(what, advice)
        self.line = line


def read_review(path: Path) -> Review:
    """Returns what a file says about pictures.

    Raises: ReviewError, whose text names the file and the line; OSError.
    """
    name = printable(path.name)
    try:
        return parse_review(review_text(path))
    except ReviewError as error:
        where = f"line {error.line} of {name!r}" if error.line else repr(name)
        raise ReviewError(f"{where}: {error.what}", error.advice, error.line) from error


def review_text(path: Path) -> str:
    """Returns the text of a file with its line ends as they are. Raises: ReviewError; OSError."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        what = f"it has more than {MOST_BYTES >> 20} MiB, so it is not a review"
        raise ReviewError(what, "choose another file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReviewError("it is not a text in UTF-8", "save it as UTF-8", line) from error


def parse_review(text: str) -> Review:
    """Returns what a text says about pictures. Raises: ReviewError."""
    try:
        root = read_nodes(text)
    except YamlError as error:
        raise ReviewError(error.what, error.advice, error.line) from error
    pictures = pictures_node(root)
    found: Review = {}
    if pictures is None:
        return found
    lines: dict[str, int] = {}
    for key, value in _pairs(pictures, "`pictures`", "write `name: {drop: true}` lines below it"):
        name = printable(key.value)
        if name in lines:
            earlier = f"{name!r} is there twice, first in line {lines[name]}"
            raise ReviewError(earlier, "remove one of them", key.line)
        lines[name] = key.line
        found[name] = _choice(name, value)
    return found


def pictures_node(root: Node | None) -> Node | None:
    """Returns the part of a review with the pictures; None if it is missing or empty.

    Raises: ReviewError if the text is not a review.
    """
    first = f"write `review: {VERSION}` in its first line"
    if root is None:
        raise ReviewError("it is empty", first)
    parts = _unique(root, "it", f"{first} and `pictures:` in its second", ("review", "pictures"))
    if "review" not in parts:
        raise ReviewError(f"it has no line `review: {VERSION}`, so it is not a review", first)
    version = parts["review"]
    if version.value != str(VERSION):
        shown = repr(version.value) if isinstance(version.value, str) else f"a {version.kind}"
        what = f"the version of its format is {shown}, not {VERSION}"
        advice = f"write `review: {VERSION}`, or use the artgraph that wrote it"
        raise ReviewError(what, advice, version.line)
    pictures = parts.get("pictures")
    return None if pictures is None or pictures.is_null else pictures


def choice_of(fields: Mapping[str, Any]) -> Choice:
    """Returns a choice from plain data, as `Choice.fields` returns it. Raises: ReviewError."""
    for name in fields:
        if name not in FIELDS:
            raise ReviewError(_not_known(str(name), FIELDS), f"use {', '.join(FIELDS)}")
    for name in ("drop", "keep"):
        if not isinstance(fields.get(name, False), bool):
            raise ReviewError(f"`{name}` is {fields[name]!r}", "write true or false")
    drop, keep = fields.get("drop", False), fields.get("keep", False)
    if drop and keep:
        raise ReviewError("it has both `drop` and `keep`", "remove one of them")
    label = fields.get("class")
    if "class" in fields:
        if not isinstance(label, str) or not label.strip():
            raise ReviewError("`class` is not a name", "write a name, or remove `class`")
        label = printable(" ".join(label.split()))
        if len(label) > MOST_CLASS:
            raise ReviewError(f"`class` has over {MOST_CLASS} characters", "shorten it")
    stars = fields.get("stars")
    if "stars" in fields and (type(stars) is not int or not 0 <= stars <= MOST_STARS):
        raise ReviewError(f"`stars` is {stars!r}", f"write a whole number from 0 to {MOST_STARS}")
    crop = _crop(fields["crop"]) if "crop" in fields else None
    return Choice(drop, keep, label, stars, crop)


def _crop(value: Any) -> Box | None:
    """Returns a crop; None if it is the whole picture."""
    advice = "write [left, top, width, height] as fractions of the picture, from 0 to 1"
    is_list = isinstance(value, list | tuple) and len(value) == 4
    if not is_list or not all(type(part) in (int, float) for part in value):
        raise ReviewError("`crop` is not a list of four numbers", advice)
    shown = ", ".join(str(part)[:12] for part in value)
    if not all(0 <= part <= 1 for part in value):
        raise ReviewError(f"`crop` leads out of the picture: [{shown}]", advice)
    left, top, width, height = (round(float(part), 6) for part in value)
    if min(width, height) <= 0:
        raise ReviewError(f"`crop` is empty: [{shown}]", advice)
    if left + width > 1 + _SLACK or top + height > 1 + _SLACK:
        raise ReviewError(f"`crop` leads out of the picture: [{shown}]", advice)
    return None if min(width, height) >= 1 else (left, top, width, height)


def _choice(name: str, node: Node) -> Choice:
    """Returns what a node says about a picture. Raises: ReviewError."""
    if node.is_null:
        return Choice()
    subject = f"what is written for {name!r}"
    parts = _unique(node, subject, f"use {', '.join(FIELDS)}, such as {{drop: true}}", FIELDS)
    fields = {}
    for field, part in parts.items():
        fields[field] = part.value if field == "class" and not part.is_null else _plain(part)
    try:
        return choice_of(fields)
    except ReviewError as error:
        raise ReviewError(f"{name!r}: {error.what}", error.advice, node.line) from error


def _plain(node: Node) -> Any:
    """Returns the value of a text, number, true or false, or of a list of them."""
    if node.kind == "list":
        return [_plain(part) for part in node.value]
    if node.kind != "plain" or node.is_null:
        return None if node.is_null or node.kind == "mapping" else node.value
    if node.value in _BOOLS:
        return _BOOLS[node.value]
    if _NUMBER.fullmatch(node.value):
        return (
            int(node.value) if re.fullmatch(r"[-+]?[0-9]{1,15}", node.value) else float(node.value)
        )
    return node.value


def _pairs(node: Node, subject: str, advice: str) -> list[tuple[Node, Node]]:
    """Returns the pairs of a mapping whose keys are texts. Raises: ReviewError."""
    if node.kind != "mapping":
        raise ReviewError(f"{subject} is not a mapping", advice, node.line)
    pairs: list[tuple[Node, Node]] = node.value
    for key, _ in pairs:
        if key.kind not in ("plain", "quoted") or not key.value:
            raise ReviewError(f"{subject} has a key that is not a name", advice, key.line)
    return pairs


def _unique(node: Node, subject: str, advice: str, known: Collection[str]) -> dict[str, Node]:
    """Returns the values of a mapping with these keys. Raises: ReviewError."""
    found: dict[str, Node] = {}
    for key, value in _pairs(node, subject, advice):
        if key.value not in known:
            raise ReviewError(f"{subject}: {_not_known(key.value, known)}", advice, key.line)
        if key.value in found:
            what = f"{subject}: `{key.value}` is there twice"
            raise ReviewError(what, "remove one of them", key.line)
        found[key.value] = value
    return found


def _not_known(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"`{printable(name)[:40]}` is not known" + (
        f", did you mean `{near[0]}`?" if near else ""
    )


def near_name(name: str, names: Collection[str]) -> str | None:
    """Returns the name of a picture that may be meant by a name that no picture has.

    It is in another folder, or is spelled alike and has the same numbers: IMG_1 is not IMG_2.
    """
    plain = name.replace("\\", "/")
    base, numbers = plain.rpartition("/")[2].casefold(), _DIGITS.findall(plain)
    some = [other for other in names if other.rpartition("/")[2].casefold() == base]
    if len(some) == 1:
        return some[0]
    if not some and len(names) <= _MOST_COMPARED:
        some = [other for other in names if _DIGITS.findall(other) == numbers]
    return next(iter(difflib.get_close_matches(plain, some, n=1, cutoff=0.8)), None)
