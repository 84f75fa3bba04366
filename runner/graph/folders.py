"""The folders from which a graph may read files: its own, input, output, and the shipped graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...contract.errors import InputError

SHIPPED = Path(__file__).parents[2] / "graphs"  # contains the shipped graphs and base models


@dataclass(frozen=True)
class Folders:
    """The folders of a graph.

    graph:  the folder of the graph file.
    input:  the folder of `--input`.
    output: the folder that contains the output folders of all runs.
    """

    graph: Path
    input: Path
    output: Path

    def resolve(self, text: str, kind: str, trusted: bool = False) -> Path:
        """Returns the existing file or folder (`kind`) that `text` names.

        A path in a graph is relative to the graph's folder, or else to the input folder or the
        folder of the shipped graphs. With links resolved, it must be inside one of these folders
        or the output folder. A trusted path, typed by the user, is relative to the current folder
        and may be anywhere.

        Raises: InputError if it is missing, of the other kind, or outside these folders.
        """
        if trusted:
            candidates = [Path(text).expanduser()]
        elif "\0" in text:
            raise InputError("the path contains a zero byte", "correct the path")
        else:
            candidates = [self.graph / text, self.input / text, SHIPPED / text]
        found = next((c for c in candidates if c.exists()), None)
        if found is None:
            where = " or ".join(str(folder) for folder in dict.fromkeys((self.graph, self.input)))
            place = "" if trusted or Path(text).is_absolute() else f" in {where}"
            raise InputError(f"there is no {kind} {text!r}{place}", "check the path")
        path = found.resolve()
        if not trusted and not any(path.is_relative_to(root) for root in self._roots()):
            raise InputError(
                f"{text!r} is outside the folders that a graph may read: its own, the input folder"
                " and the output folder",
                "move it there, or set it on the command line with --set",
            )
        if kind == "folder" and not path.is_dir():
            raise InputError(f"{text!r} is not a folder", "name the folder that contains the files")
        if kind == "file" and not path.is_file():
            raise InputError(f"{text!r} is not a file", "name a file")
        return path

    def portable(self, text: str) -> str:
        """Returns a path typed by the user in a form that does not reveal the user's folders.

        The path is relative to the graph's folder if it is inside; else only its last part is
        left, since a graph may not read elsewhere anyway.
        """
        if not text:
            return text
        path, graph = Path(text).expanduser().resolve(), self.graph.resolve()
        return str(path.relative_to(graph)) if path.is_relative_to(graph) else path.name

    def _roots(self) -> list[Path]:
        return [folder.resolve() for folder in (self.graph, self.input, self.output, SHIPPED)]
