"""What a review changes about the pictures of a source: some are left out, others are moved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..class_doubts import class_of, counted, first_of
from ..review import Choice, Review, near_name, read_review
from ..survey import Survey
from ..walk import Entry, printable
from .source import Source

_UNLABELLED = ("no label", "two labels")  # kinds of pictures that only need a class
_SUGGESTED = 3  # names without a picture for which a similar one is looked for


class Reviewed:
    """The pictures of a source that are used, and what a review says about them.

    survey:  what is in the source, without the pictures that are dropped.
    dropped: number of these pictures.
    notes:   what can't be used of the review, as sentences.
    """

    def __init__(self, folder: Path, source: Source, file: Path | None) -> None:
        """`file`: the file of the review; None if there is none.

        Raises: ReviewError if it can't be used; OSError.
        """
        self._choices: Review = {} if file is None else read_review(file)
        self._labels, self._has_labels = source.labels or {}, source.labels is not None
        self.notes: list[str] = []
        entries = [entry for entry in source.entries if not _is_file(entry, file)]
        pictures = {e.name for e in entries if e.kind == "picture" or e.kind in _UNLABELLED}
        dropped = [name for name in pictures if self.choice(name).drop]
        self.dropped = len(dropped)
        self.survey = Survey(folder, map(self._labelled, entries), file is not None)
        self.survey.leave_out(dropped)
        self.survey.moved = [name for name in pictures if self.choice(name).label is not None]
        missing = [name for name in self._choices if name not in pictures]
        if file is not None and missing:
            self.notes.append(_missing(missing, pictures, printable(file.name)))

    def choice(self, name: str) -> Choice:
        """Returns what was decided about a picture."""
        return self._choices.get(name) or Choice()

    def label(self, name: str) -> str:
        """Returns the class of a picture."""
        return self.choice(name).label or self._old_label(name)

    def by_class(self, names: Sequence[str]) -> list[str]:
        """Returns names whose first folders are the classes, also if the pictures are elsewhere."""
        return [
            f"{self.label(name).replace('/', ' ')}/picture"
            if self._has_labels or self.choice(name).label is not None
            else name
            for name in names
        ]

    def summary(self, names: Sequence[str]) -> str:
        """Returns how many pictures are changed, for people; empty if none is.

        names: the names of the pictures that are used.
        """
        counts = {
            "dropped": self.dropped,
            "moved": sum(self.label(name) != self._old_label(name) for name in names),
            "cropped": sum(self.choice(name).crop is not None for name in names),
            "rated": sum(self.choice(name).stars is not None for name in names),
        }
        found = ", ".join(f"{count} {verb}" for verb, count in counts.items() if count)
        return f"{found} by the review" if found else ""

    def _old_label(self, name: str) -> str:
        return self._labels.get(name) or class_of(name)

    def _labelled(self, entry: Entry) -> Entry:
        """Returns an entry as a picture if it only needs a label that the review contains."""
        choice = self.choice(entry.name)
        is_used = entry.kind in _UNLABELLED and (choice.label is not None or choice.drop)
        return entry._replace(kind="picture") if is_used else entry


def _is_file(entry: Entry, file: Path | None) -> bool:
    """Returns whether an entry is this file."""
    is_like = file is not None and entry.kind == "file" and entry.path.endswith(file.name)
    return is_like and os.path.realpath(entry.path) == os.path.realpath(str(file))


def _missing(missing: list[str], pictures: set[str], file: str) -> str:
    """Returns which names of the review are not those of pictures, with what may be meant."""
    near = ((name, near_name(name, pictures)) for name in missing[:_SUGGESTED])
    advice = [f"{other} for {name}" for name, other in near if other is not None]
    names = counted(len(missing), "name", "names")
    line = f"{names} of {file} without a picture ({first_of(missing)})"
    return f"{line} - did you mean {', '.join(advice)}?" if advice else line
