"""Files that label one picture each, as in WebDataset: 000.jpg with 000.cls, .json or .txt."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from .tables import label_in, text_of

SUFFIXES = ("cls", "json", "txt")  # the more exact one first
_MOST_BYTES = 1 << 16  # largest size of a file that labels one picture
_MOST_CLASS = 60  # longest line of a .txt file that may be a class


def are_captions(texts: Collection[str], labelled: int) -> bool:
    """Returns whether different texts that label so many pictures are not classes."""
    return len(texts) * 2 > labelled or max(map(len, texts)) > _MOST_CLASS


class Sides:
    """The labels in such files.

    label: the field of JSON files that contains the label, or "" for the usual ones.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        suffixes = ("json",) if label else SUFFIXES
        self._here: dict[str, dict[str, str]] = {suffix: {} for suffix in suffixes}
        self._found: dict[str, dict[str, str]] = {suffix: {} for suffix in suffixes}
        self._used: dict[str, set[str]] = {suffix: set() for suffix in suffixes}

    def wants(self, name: str, size: int) -> bool:
        """Returns whether a file may contain the label of a picture."""
        base = name.rpartition("/")[2]
        return base.partition(".")[2].lower() in self._here and size <= _MOST_BYTES

    def add(self, name: str, content: bytes) -> None:
        """Add the content of a file that may contain a label."""
        key, _, suffix = name.rpartition(".")
        text = content.decode("utf-8-sig", errors="replace")
        label: str | None
        if suffix.lower() == "json":
            try:
                label = label_in(json.loads(text), self._label)
            except (ValueError, RecursionError):
                label = None
        else:
            lines = text.strip().splitlines()
            label = text_of(lines[0]) if len(lines) == 1 else None
        if label is not None:
            self._here[suffix.lower()][key] = label

    def assign(self, pictures: Mapping[str, str]) -> None:
        """Assign the labels of one archive to its pictures: names in the archive, by name."""
        for suffix, labels in self._here.items():
            for name, original in pictures.items():
                key = _key(original)
                if key in labels:
                    self._found[suffix][name] = labels[key]
                    self._used[suffix].add(f"{key}.{suffix}")
            labels.clear()

    def found(self) -> dict[str, dict[str, str]]:
        """Returns all labels by the suffix of their files and by picture."""
        return self._found

    def labels(
        self, names: Sequence[str], root: str
    ) -> tuple[dict[str, str | None], set[str], str] | None:
        """Returns the labels by picture, the names of the files with labels, and their kind.

        Files of the first kind are used that label at least half of the pictures. Texts are classes
        only if they are short and most of them repeat, since they may be captions.

        root: what was left out at the beginning of all names.

        Returns None if there is no such kind.
        """
        for suffix, found in self._found.items():
            labels: dict[str, str | None] = {
                name: found[root + name] for name in names if root + name in found
            }
            if not labels or len(labels) * 2 < len(names):
                continue
            texts = set(found.values())
            if suffix == "txt" and are_captions(texts, len(labels)):
                continue
            used = {name.removeprefix(root) for name in self._used[suffix]}
            return labels, used, f".{suffix} files"
        return None


def _key(name: str) -> str:
    """Returns the name of a picture up to the first dot of its last part."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"
