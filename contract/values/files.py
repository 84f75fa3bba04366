"""Files that a node returns for the output folder, and the rules for their names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..errors import NodeError
from .socket import Blob, Buffers, Json, require


@dataclass(frozen=True)
class Files:
    """Files to write into the output folder: names, also with folders (`a/b.png`), to contents.

    The runner writes them, so a node that saves is a pure function like any other. If a name begins
    with `@`, the runner replaces the `@` by the name of the node in its graph. It replaces
    `{source}` by the name of the picture that the node depends on.
    """

    files: dict[str, bytes]

    @staticmethod
    def encode(value: Files) -> tuple[Json, Buffers]:
        require(
            isinstance(value, Files), f"files must be a Files object, not {type(value).__name__}"
        )
        for name in value.files:
            problem = output_name_problem(SOURCE.sub("source", name))
            if problem is not None:
                raise NodeError(*problem)
        return list(value.files), {f"{i:06}": data for i, data in enumerate(value.files.values())}

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> Files:
        return Files({name: blob.raw(f"{i:06}") for i, name in enumerate(meta)} if blob else {})


def file_name(name: str, ending: str) -> str:
    """Returns `name` with its ending; if `name` is empty, the runner puts the node's name in."""
    return (name or "@") + ending


def final_name(name: str, node: str, source: str | None) -> str:
    """Returns the name of a file of `Files` in the output folder.

    source: the name of the picture that the node depends on; None if there is not exactly one.

    Raises: NodeError if the name contains `{source}`, but there is no source.
    """
    if name.startswith("@"):
        name = f"{file_stem(node)}{name[1:]}"
    if not SOURCE.search(name):
        return name
    if source is None:
        what = "`{source}` in its name stands for one picture, but it depends on none or on several"
        raise NodeError(what, "write a name without it, or {source:NODE} with the name of the node")
    return SOURCE.sub(lambda _: source, name)


def file_stem(node: str) -> str:
    """Returns the name of a node for a file name; the slashes of inner graphs become dots."""
    return node.replace("/", ".")


# The name of the picture that the node depends on; `{source:photo}` is that of a certain node.
SOURCE = re.compile(r"\{source(?::([^{}]*))?\}")
_BRACES = re.compile(r"\{[^{}]*\}")
FORBIDDEN = frozenset('<>:"/\\|?*')
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"
}
OUR_FOLDERS = frozenset(("earlier", "previews", "sweep"))  # of the runner in the output folder
OUR_FILES = ("manifest", "failure")
_MAX_BYTES = 200  # of a name with its ending
_MAX_STEM = 180  # of a name without its ending; the longest ending is `_0001.safetensors`
MAX_SOURCE = 140  # of a name that replaces `{source}`
_MAX_AROUND = _MAX_STEM - MAX_SOURCE  # of what is around it

Wrong = tuple[str, str]  # what is wrong with a name, and what to do


def stem_problem(stem: str) -> Wrong | None:
    """Returns what is wrong with the name of a file without its ending; None if it is a good one.

    The name may contain folders, separated by `/`. An empty name means the name of the node.
    """
    if not stem:
        return None
    for braces in _BRACES.findall(stem):
        if not SOURCE.fullmatch(braces):
            advice = "write {source} for the name of the picture, or leave out the braces"
            return f"{braces!r} stands for nothing", advice
    if (marks := SOURCE.findall(stem)) and len(marks) > 1:
        return f"{stem!r} contains several pictures", "write one {source}"
    if marks and (size := max(map(_size, SOURCE.sub("", stem).split("/")))) > _MAX_AROUND:
        return _too_long(stem, size, _MAX_AROUND)
    stem = SOURCE.sub("source", stem)
    *folders, last = stem.split("/")
    if stem.startswith("@"):
        return f"{stem!r} begins with '@'", "begin the name with a letter or a digit"
    if not folders and last.casefold() in OUR_FILES:
        return f"{stem!r} is the name of a file that artgraph writes itself", "choose another name"
    if (size := _size(last)) > _MAX_STEM:
        return _too_long(last, size, _MAX_STEM)
    return output_name_problem(stem, ending=".x")


def output_name_problem(name: str, ending: str = "") -> Wrong | None:
    """Returns what is wrong with a name in the output folder; None if it is safe on every system.

    The name may contain folders, separated by `/`. `ending` is added to it.
    """
    *folders, last = parts = name.split("/")
    if name.startswith(("/", "~")):
        what = f"{name!r} begins with {name[0]!r}, but files are saved within the output folder"
        return what, "write a name such as project/cats; --out names another folder"
    if parts[0].casefold() in OUR_FOLDERS and len(parts) > 1:
        return f"the folder {parts[0]!r} is for artgraph's own files", "choose another folder"
    if name.casefold() in ("manifest.json", "failure.txt"):
        return f"{name!r} is the name of a file that artgraph writes itself", "choose another name"
    return next(filter(None, map(_part_problem, folders)), None) or _part_problem(last, ending)


def is_file_name(name: str) -> bool:
    """Returns whether a name is safe on every system: no folder, no device, not hidden."""
    return "/" not in name and _part_problem(name) is None


def same_name(name: str) -> str:
    """Returns the form of a name in which names are equal that some systems do not distinguish."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def shortened_name(text: str, size: int) -> str:
    """Returns a text, cut to at most `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")


def _part_problem(part: str, ending: str = "") -> Wrong | None:
    """Returns what is wrong with the name of a file or folder; None if it is a good one."""
    if not part:
        return "the name has an empty part", "write names, separated by single '/'"
    if part in (".", ".."):
        return f"{part!r} is not the name of a folder", "write a name such as project/cats"
    if "\\" in part:
        return f"{part!r} contains '\\\\'", "separate folders by '/'"
    wrong = next((c for c in part if c in FORBIDDEN or is_unprintable(c)), None)
    if wrong is not None:
        forbidden = " ".join(sorted(FORBIDDEN - set("/\\")))
        advice = f"leave it out: names have no {forbidden} and no control characters"
        return f"{part!r} contains {wrong!r}", advice
    if part[0] in ". ":
        return f"{part!r} begins with {part[0]!r}", "begin the name with a letter or a digit"
    if not ending and part[-1] in ". ":
        return f"{part!r} ends with {part[-1]!r}", "end the name with a letter or a digit"
    if part.split(".")[0].rstrip(" ").casefold() in RESERVED:
        stem = part.split(".")[0]
        return f"{stem!r} is the name of a device on Windows", "choose another name"
    size = _size(part)
    return _too_long(part, size, _MAX_BYTES) if size > _MAX_BYTES else None


def _too_long(part: str, size: int, most: int) -> Wrong:
    what = f"{part[:20] + '...'!r} has {size} bytes, and at most {most} are allowed"
    return what, "choose a shorter name"


def _size(name: str) -> int:
    return len(name.encode(errors="surrogatepass"))


def is_unprintable(character: str) -> bool:
    """Returns whether a character is a control character, half of one, or ends a line."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
