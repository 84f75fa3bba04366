"""What may be a mistake in the classes of a folder, as sentences with advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .beside import SPLITS

LOOSE = "pictures"  # class of the pictures that are directly in the folder
_FIRST = 3  # names that are listed of each kind


def class_of(name: str) -> str:
    """Returns the class of a picture: its outermost sub-folder, or "pictures" if it has none.

    The name of the folder itself must not matter for the results.
    """
    first, slash, _ = name.partition("/")
    return first if slash else LOOSE


def class_doubts(names: Sequence[str]) -> list[str]:
    """Returns what may be a mistake in the classes of these pictures.

    names: the names of the pictures that are used.
    """
    counts = Counter(map(class_of, names))
    loose = sum(1 for name in names if "/" not in name)
    return [
        *_split_doubts(counts),
        *_case_doubts(counts),
        *_loose_doubts(loose, counts),
        *_nested_doubts(names),
    ]


def counted(number: int, one: str, several: str) -> str:
    """Returns a number with the word for so many things."""
    return f"{number} {one if number == 1 else several}"


def first_of(names: Sequence[str]) -> str:
    """Returns the first names of a list."""
    return ", ".join(names[:_FIRST]) + (", ..." if len(names) > _FIRST else "")


def _split_doubts(classes: Iterable[str]) -> list[str]:
    splits = [name for name in classes if name.casefold() in SPLITS]
    if len(splits) < 2:
        return []
    return [
        f"the folders {_quoted(splits)} look like parts of one dataset, but each is a class - load"
        " each with a node of its own"
    ]


def _case_doubts(classes: Iterable[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(name.casefold().strip(), []).append(name)
    return [
        f"the classes {_quoted(names)} differ only in case or spaces - rename one of them"
        for names in alike.values()
        if len(names) > 1
    ]


def _loose_doubts(loose: int, counts: Counter[str]) -> list[str]:
    if not 0 < loose < counts.total():
        return []
    number = counted(loose, "picture beside the class folders is", "pictures beside them are")
    own = counts[LOOSE] - loose
    same = f", together with {own} of the folder {LOOSE!r} - rename the folder" if own else ""
    return [f"{number} the class {LOOSE!r}{same}"]


def _nested_doubts(names: Sequence[str]) -> list[str]:
    deeper = dict.fromkeys(name.rpartition("/")[0] for name in names if name.count("/") > 1)
    if not deeper:
        return []
    what = f"folders inside class folders are not classes of their own ({first_of([*deeper])})"
    outer = {name.partition("/")[0] for name in names}
    if len(outer) == 1:  # as in a folder that was unpacked from an archive
        return [f"{what} - choose the folder {outer.pop()!r} if they are the classes"]
    return [what]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:-1])) + f" and {names[-1]!r}"
