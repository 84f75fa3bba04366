"""Every error artgraph raises on purpose, each with the exit code of the command line.

ArtgraphError
├── NodeError       1    a node failed
├── GraphError      2    the graph or the command is wrong
├── InputError      3    an input file is missing, unreadable or refused
├── CacheError      4    the cache can't be used
└── Cancelled       130  interrupted

A message is one line that says what is wrong, then ` - `, then what to do. Whoever knows the
place (file, line, node) puts it in front.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ArtgraphError(Exception):
    """Base of all; `exit_code` is what the command line exits with."""

    exit_code = 1


class NodeError(ArtgraphError):
    """A node could not do its work; raised by nodes, located by the runner."""

    exit_code = 1


class GraphError(ArtgraphError):
    """A graph file or a command line is wrong; carries all problems found, one a line."""

    exit_code = 2

    def __init__(self, *problems: object) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class InputError(NodeError):
    """An input file is missing, unreadable or refused."""

    exit_code = 3


class CacheError(ArtgraphError):
    """The cache folder can't be read or written."""

    exit_code = 4


class Cancelled(ArtgraphError):  # noqa: N818 - named for what happened, as in asyncio
    """The user interrupted; raised by `Context.progress`."""

    exit_code = 130

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message)


@contextmanager
def advised(advice: str) -> Iterator[None]:
    """Let a model's ValueError, which says what is wrong, reach the user with what to do."""
    try:
        yield
    except ValueError as error:
        raise NodeError(f"{error} - {advice}") from error
