"""What is wrong with a graph, as data: programs read the kind, people read the sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "unknown_type",  # there is no such node type
    "unknown_source",  # a wire comes from a node or an output that does not exist
    "unknown_name",  # there is no such input, widget, knob or key
    "missing_input",  # a required input is not wired
    "missing_value",  # a required widget has no value
    "wrong_socket",  # a wire carries a kind of value that its input does not accept
    "bad_wire",  # a wire is wrong in another way
    "loop",  # a node needs its own output, directly or through other nodes
    "not_a_choice",
    "too_small",
    "too_large",
    "bad_value",  # a value is wrong in another way
    "bad_file",  # the graph is valid, but a file or folder that it reads is not
    "bad_form",  # the text or the structure of a graph file
    "other",
]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `file:line: node 'name': what is wrong - what to do`.

    subject:   name of the input, widget or knob.
    accepts:   the kinds of value that an input accepts, if a wire is missing or wrong.
    producers: some node types that return such a value.
    """

    kind: Kind
    subject: str | None
    what: str
    advice: str = ""
    file: str = ""
    line: int | None = None
    node: str | None = None
    accepts: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()

    @property
    def is_input(self) -> bool:
        """Whether the graph is valid, but a file or folder that it reads is not."""
        return self.kind == "bad_file"

    @property
    def place(self) -> str:
        """File, line and node, to be put in front of the message; empty if they are not known."""
        file = f"{self.file}:{self.line}" if self.line else self.file
        parts = (file, f"node {self.node!r}" if self.node else "")
        return one_line("".join(f"{part}: " for part in parts if part))

    @property
    def message(self) -> str:
        """What is wrong and what to do, without the place."""
        return sentence(self.what, self.advice)

    def __str__(self) -> str:
        return self.place + self.message


def sentence(what: str, advice: str) -> str:
    """Returns `what is wrong - what to do`; without advice, what is wrong."""
    return one_line(f"{what} - {advice}" if advice else what)


def one_line(text: str) -> str:
    """Returns a text with escapes for line breaks and other control characters."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
