"""Every error artgraph raises on purpose, each with the exit code of the command line.

ArtgraphError
├── NodeError       1    a node failed
├── GraphError      2    the graph or the command is wrong
├── InputError      3    an input file is missing, unreadable or refused
├── CacheError      4    the cache can't be used
└── Cancelled       130  interrupted

An error has two parts, what is wrong and what to do: `NodeError("b is 0", "change b")`. Shown as
text, they are one line, `what is wrong - what to do`. The code that knows the place (file, line,
node) puts it in front.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from .problem import Problem, sentence


class ArtgraphError(Exception):
    """Base class of all errors; `exit_code` is the exit code of the command line."""

    exit_code = 1

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(sentence(what, advice))
        self.what, self.advice = what, advice


class NodeError(ArtgraphError):
    """A node failed. Nodes raise it, and the runner adds the name of the node."""

    exit_code = 1


class InputError(NodeError):
    """An input file is missing, unreadable or refused."""

    exit_code = 3


class GraphError(ArtgraphError):
    """A graph file or a command line is wrong; `problems` lists everything that was found."""

    exit_code = 2

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.problems: tuple[Problem, ...] = (Problem("other", None, what, advice),)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """Returns an error with these problems, one per line.

        Its exit code is that of an InputError if only input files are wrong.
        """
        found = tuple(problems)
        if len(found) == 1:
            error = cls(found[0].place + found[0].what, found[0].advice)
        else:
            error = cls("\n".join(map(str, found)))
            error.args = (error.what,)  # with a line for each problem
        error.problems = found
        if all(problem.is_input for problem in found):
            error.exit_code = InputError.exit_code
        return error


def unreadable(path: Path, error: OSError) -> InputError:
    """Returns the error to raise if a file or folder that the user named can't be read."""
    reasons = {
        errno.EACCES: "allow yourself to read it, for example with `chmod +r`",
        errno.EPERM: "allow yourself to read it",
        errno.ENOENT: "correct its name; was it moved or deleted?",
        errno.ENAMETOOLONG: "use a shorter path",
        errno.ELOOP: "remove the link, which leads to itself",
        errno.EIO: "the disk has an error; copy the file from another place",
    }
    advice = reasons.get(error.errno or 0, "copy it to another folder, and name that one")
    return InputError(f"{path}: can't be read: {error.strerror or error}", advice)


def write_problem(path: Path, error: OSError, instead: str) -> tuple[str, str]:
    """Returns what is wrong and what to do if a file can't be written.

    instead: the advice that names another place.
    """
    what = f"{path} can't be written: {error.strerror or error}"
    if error.errno == errno.ENOSPC:
        return what, f"free space, or {instead}"
    if error.errno == errno.ENAMETOOLONG:
        return what, "use a shorter name"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        folder = next((p for p in path.parents if p.exists()), path.parent)
        return f"{what} (in the folder {folder})", f"allow writing there, or {instead}"
    return what, instead


def unwritable(path: Path, error: OSError) -> GraphError:
    """Returns the error to raise if a file that the user named can't be written."""
    if not path.parent.exists():
        return GraphError(f"{path}: there is no folder {path.parent}", "create it")
    return GraphError(*write_problem(path, error, "name a file in another folder"))


class CacheError(ArtgraphError):
    """The cache folder can't be read or written."""

    exit_code = 4


class Cancelled(ArtgraphError):  # noqa: N818 - named for what happened, as in asyncio
    """The user interrupted the run. `Context.progress` raises it."""

    exit_code = 130

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message)


@contextmanager
def advised(advice: str, kind: type[ValueError] = ValueError) -> Iterator[None]:
    """Turn a ValueError of a model into a NodeError.

    advice: what to do, if the error has no `advice` of its own.
    """
    try:
        yield
    except kind as error:
        raise NodeError(str(error), getattr(error, "advice", advice)) from error
