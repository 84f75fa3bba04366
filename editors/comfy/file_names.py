"""The names of saved files, in ComfyUI's manner: variables, folders, and one number for a batch.

The pictures of a batch become `cats_00001_.png`, `cats_00002_.png` and so on. Files that have names
of their own, such as sheets of classes or the pictures of a dataset, have the same number.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ...contract.errors import NodeError
from ...contract.values.files import same_name
from ..formats.core_nodes import VARIABLE

_PLACE_IN_BATCH = re.compile(r"_(\d{4,})(\.\w+)")  # what follows the name of a batch
_USUAL_DATE = "yyyy-MM-dd"
_TIMES = {"year": "yyyy", "month": "MM", "day": "dd", "hour": "hh", "minute": "mm", "second": "ss"}
_TOKEN = re.compile("yyyy|yy|MM?|dd?|hh?|mm?|ss?")


def with_values(name: str, prompt: Any) -> str:
    """Returns the name of a file with the values of ComfyUI's variables.

    `%date:yyyy-MM-dd%` and such are the time, `%Title.widget%` is the value of a widget in the
    prompt, by the title of its node. What is unknown stays as it is.
    """
    now = time.localtime()

    def value(found: re.Match[str]) -> str:
        kind, _, form = found[1].partition(":")
        if kind == "date":
            return _date(form or _USUAL_DATE, now)
        if kind in _TIMES:
            return _date(_TIMES[kind], now)
        title, _, widget = found[1].partition(".")
        return _widget(prompt, title, widget) or found[0]

    return VARIABLE.sub(value, name)


def _date(form: str, now: time.struct_time) -> str:
    parts = {"y": now.tm_year, "M": now.tm_mon, "d": now.tm_mday}
    parts |= {"h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def part(token: re.Match[str]) -> str:
        number = f"{parts[token[0][0]]:0{len(token[0])}}"
        return number[-2:] if token[0] == "yy" else number

    return _TOKEN.sub(part, form)


def _widget(prompt: Any, title: str, widget: str) -> str | None:
    """Returns the value of a widget, without what is not allowed in names; None if unknown."""
    for node in prompt.values() if isinstance(prompt, dict) else ():
        names = (node.get("class_type"), (node.get("_meta") or {}).get("title"))
        value = (node.get("inputs") or {}).get(widget)
        if title in names and isinstance(value, str | int | float):
            return re.sub(r'[<>:"/\\|?*%]', "_", str(value))
    return None


def with_size(name: str, size: tuple[int, int] | None) -> str:
    """Returns a name with the size of the picture, width and height, instead of its variables.

    Raises: NodeError if the name contains them, but there is no picture.
    """
    found = next((f"%{word}%" for word in ("width", "height") if f"%{word}%" in name), None)
    if found is None:
        return name
    if size is None:
        what = f"{found} in its name is of a picture, but this node saves none"
        raise NodeError(what, "write another name")
    return name.replace("%width%", str(size[0])).replace("%height%", str(size[1]))


def numbered(names: list[str], stem: str, root: Path) -> list[str]:
    """Returns the names with a number that is larger than those of similar files in a folder.

    names: those that a node has chosen for its files, all of which begin with `stem`.
    """
    parts = [_around_number(name, stem, len(names) > 1) for name in names]
    first = 1 + max((_last(root, before) for before, _, _ in parts), default=0)
    return [f"{before}{first + place:05}{after}" for before, after, place in parts]


def _around_number(name: str, stem: str, is_one_of_many: bool) -> tuple[str, str, int]:
    """Returns what is before and after the number of a file, and its place in a batch."""
    rest = name.removeprefix(stem)
    if rest != name and rest.startswith("/"):  # the pictures of a dataset: the folder gets it
        return f"{stem}_", f"_{rest}", 0
    if is_one_of_many and (found := _PLACE_IN_BATCH.fullmatch(rest)):
        return f"{stem}_", f"_{found[2]}", int(found[1]) - 1
    path = Path(name)
    return f"{path.with_suffix('').as_posix()}_", f"_{path.suffix}", 0


def _last(root: Path, before: str) -> int:
    """Returns the largest number of the files and folders whose names begin in this way."""
    path = root / before
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    ends = (name[len(path.name) :] for name in names if _begins(name, path.name))
    found = (re.match(r"(\d+)_", end) for end in ends)
    return max((int(match[1]) for match in found if match), default=0)


def _begins(name: str, start: str) -> bool:
    """Returns whether a name begins with a text, also on systems that do not distinguish case."""
    return same_name(name).startswith(same_name(start))
