"""Which files a graph may read: those in its own, the input and the output folder, and ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..nodes.errors import InputError

SHIPPED = Path(__file__).parent.parent / "graphs"  # with the base models below it


@dataclass(frozen=True)
class Folders:
    """graph: the graph file's folder; input: `--input`; output: where all runs' outputs lie."""

    graph: Path
    input: Path
    output: Path

    def resolve(self, text: str, kind: str, trusted: bool = False) -> Path:
        """The existing file or folder (`kind`) that `text` names.

        A graph's path is relative to the graph's folder, or else to the input folder or to that
        of the shipped graphs, and must end inside one of these or of the output folder, links
        followed. A trusted path, typed by the user,
        is relative to the current folder and may be anywhere.

        Raises: InputError where it is missing, of the other kind, or outside.
        """
        if trusted:
            candidates = [Path(text).expanduser()]
        elif "\0" in text:
            raise InputError("the path has a zero byte in it", "mend the path")
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
                f"{text!r} lies outside the graph's, the input and the output folder, where a"
                " graph may not read",
                "give it on the command line with --set",
            )
        if kind == "folder" and not path.is_dir():
            raise InputError(f"{text!r} is no folder", "name the folder that holds the pictures")
        if kind == "file" and not path.is_file():
            raise InputError(f"{text!r} is no file", "name a file in it")
        return path

    def portable(self, text: str) -> str:
        """A path typed by the user, as a graph that is passed on may hold it.

        Relative to the graph's folder where it lies there, else its last part: a graph may not
        read elsewhere anyway, and nobody needs to know how the user's folders are called.
        """
        if not text:
            return text
        path, graph = Path(text).expanduser().resolve(), self.graph.resolve()
        return str(path.relative_to(graph)) if path.is_relative_to(graph) else path.name

    def _roots(self) -> list[Path]:
        return [folder.resolve() for folder in (self.graph, self.input, self.output, SHIPPED)]
