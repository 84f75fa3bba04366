"""The folders from which a graph may read files: its own, input, output, and the shipped graphs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...contract.errors import InputError
from ...contract.mistyped import QUOTES, SPACES
from ...contract.paths import typed_path
from ...contract.shards import Shards, address_of, split_address, without_secrets
from ...contract.wording import find_name, shortened, suggestion

SHIPPED = Path(__file__).parents[2] / "graphs"  # contains the shipped graphs and base models
_MOST_NAMES = 1000  # names of a folder among which a similar one is searched


@dataclass(frozen=True)
class Folders:
    """The folders of a graph.

    graph:  the folder of the graph file.
    input:  the folder of `--input`.
    output: the folder that contains the output folders of all runs.
    comfy:  ComfyUI's folders if the graph is in a file that ComfyUI saved, the first one first.
    missing: what to do about a missing file, if no name is similar.
    """

    graph: Path
    input: Path
    output: Path
    comfy: tuple[Path, ...] = ()
    missing: str = ""

    def resolve(
        self,
        text: str,
        kind: str,
        trusted: bool = False,
        files: tuple[str, ...] = (),
        or_folder: bool = False,
    ) -> Path:
        """Returns the existing file or folder (`kind`) that `text` names.

        files:     suffixes of files that may be named instead of a folder.
        or_folder: a folder may be named instead of a file.

        A path in a graph is relative to the graph's folder, or else to the input folder or the
        folder of the shipped graphs. With links resolved, it must be inside one of these folders
        or the output folder. A trusted path, typed by the user, is relative to the current folder,
        or else to the folder of the shipped graphs, and may be anywhere.

        Raises: InputError if it is missing, of the other kind, outside these folders, or in several
        folders of ComfyUI; GraphError if it can't be a path.
        """
        if trusted:
            candidates = self._typed(text)
        elif not text or "\0" in text:
            what = "contains a zero byte" if text else "is empty"
            raise InputError(f"the path {what}", f"name a {kind}")
        else:
            candidates = [*self._places(text), SHIPPED / text]
        found = next((c for c in candidates if _exists(c, text)), None)
        if found is None and not text.isascii():
            found = next(filter(None, map(_with_other_accents, candidates)), None)
        if found is None:
            place = "" if trusted or Path(text).is_absolute() else f" in {self._searched()}"
            advice = _advice(text, self._near(candidates, trusted), self.missing)
            name = "file or folder" if or_folder and kind == "file" else kind
            raise InputError(f"there is no {name} {text!r}{place}", advice)
        path = found.resolve()
        there = {
            (c / text).resolve() for c in self.comfy if not trusted and _exists(c / text, text)
        }
        if len(there) > 1:
            what = f"{text!r} may be {' or '.join(sorted(map(str, there)))}"
            raise InputError(what, "rename one of them, or choose one with --set")
        if not trusted and not any(path.is_relative_to(root) for root in self._roots()):
            raise self._outside(text)
        if kind == "folder" and not path.is_dir() and not _is_one_of(path, files):
            if files:
                what = f"{text!r} is not a folder, and not a zip, tar or Parquet file"
                raise InputError(what, "name the folder or such a file that contains the files")
            raise InputError(f"{text!r} is not a folder", "name the folder that contains the files")
        if kind == "file" and not path.is_file() and not (or_folder and path.is_dir()):
            raise InputError(f"{text!r} is not a file", "name a file")
        return path

    def shards(self, text: str, trusted: bool = False) -> Shards:
        """Returns the shards that `text` names: a folder, files in it, or an address.

        Paths follow the rules of `resolve`. An address that the user did not type must be allowed
        (see `address_of`). Whether the shards exist is found out when they are listed.

        Raises: InputError, GraphError.
        """
        if "://" in text:
            return address_of(text, trusted)
        place, pattern = split_address(text.replace("\\", "/"))
        if not pattern:
            return Shards(str(self.resolve(place, "folder", trusted)))
        if not trusted and "{" not in pattern:
            file = self.resolve(text, "file", trusted)
            return Shards(str(file.parent), file.name)
        return Shards(str(self.resolve(place or ".", "folder", trusted)), pattern)

    def portable(self, text: str) -> str:
        """Returns a path typed by the user in a form that does not reveal the user's folders.

        The path is relative to the graph's folder or that of the shipped graphs if it is inside;
        else only its last part is left, since a graph may not read elsewhere anyway.
        """
        if not text:
            return text
        if "://" in text:
            return without_secrets(text)
        typed = self._typed(text)
        path = next((p for p in typed if p.exists()), typed[0]).resolve()
        for folder in (self.graph.resolve(), SHIPPED.resolve()):
            if path.is_relative_to(folder):
                return str(path.relative_to(folder))
        return path.name

    def _typed(self, text: str) -> list[Path]:
        """Returns what a path typed by the user may mean, the first that exists."""
        return [typed_path(text), SHIPPED / text]

    def _places(self, text: str) -> list[Path]:
        """Returns what a path in a graph may mean, besides a shipped file, in order."""
        return [*(folder / text for folder in self.comfy), self.graph / text, self.input / text]

    def _outside(self, text: str) -> InputError:
        """Returns the error for an existing path outside the folders that a graph may read."""
        return InputError(
            f"{text!r} is outside the folders that a graph may read: its own, the input folder and"
            " the output folder",
            "move it there",
        )

    def _near(self, candidates: list[Path], trusted: bool) -> list[Path]:
        """Returns those of some paths whose folders may be searched for similar names."""
        roots = self._roots()
        return [
            path
            for path in candidates
            if trusted or any(path.parent.resolve().is_relative_to(root) for root in roots)
        ]

    def _searched(self) -> str:
        """Returns the names of the folders in which a relative path is searched."""
        if self.comfy:
            return f"ComfyUI's folders ({', '.join(map(str, self.comfy))})"
        graph = f"the graph's folder ({self.graph})"
        if self.input == self.graph:
            return graph
        return f"{graph} or the input folder ({self.input})"

    def _roots(self) -> list[Path]:
        folders = (self.graph, self.input, self.output, SHIPPED, *self.comfy)
        return [folder.resolve() for folder in folders]


def _is_one_of(path: Path, suffixes: tuple[str, ...]) -> bool:
    return bool(suffixes) and path.is_file() and path.name.lower().endswith(suffixes)


def _with_other_accents(path: Path) -> Path | None:
    """Returns the existing path whose accents are written in another form (NFC or NFD), or None."""
    found = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        if (found / part).exists() or part == "..":
            found /= part
            continue
        try:
            name = find_name(part, (entry.name for entry in found.iterdir()))
        except OSError:
            return None
        if name is None:
            return None
        found /= name
    return found


def _advice(text: str, candidates: list[Path], missing: str = "") -> str:
    """Returns what to do about a path that does not exist.

    missing: the advice if no name is similar.
    """
    if "://" in text:
        return "download it, and write the path on this computer"
    plain = text.strip(QUOTES + SPACES)
    if plain and plain != text:
        return f"if you mean {plain}, remove the quotes or spaces around it"
    names: list[str] = []
    for path in candidates:
        with contextlib.suppress(OSError):
            names += [entry.name for entry in islice(path.parent.iterdir(), _MOST_NAMES)]
    similar = suggestion(Path(text).name, names, "none") if names else "none"
    if similar == "none":
        return missing or "check the path"
    return f"check the path ({similar})"


def _exists(path: Path, text: str) -> bool:
    """Returns whether there is a file or folder, which is named `text` in messages.

    Raises: InputError if that can't be known.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        what = f"{shortened(text)!r} can't be read: {error.strerror}"
        raise InputError(what, "check the path, and who may read its folders") from error
    return True
