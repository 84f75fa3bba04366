"""The nodes about something, found by the words that the editors search too."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from ..contract.categories import by_category
from ..contract.errors import GraphError
from ..contract.spec import NodeSpec
from ..contract.spelling import other_spelling
from ..editors.formats.help import category_names, in_chinese

_WORD = re.compile(r"[^\W_]+")
_MOST_CLOSE = 3
_ABOUT = 11  # the last rank of nodes that are about the text, and do not only mention it


def nodes_about(registry: Mapping[str, NodeSpec], text: str) -> dict[str, NodeSpec]:
    """Returns the nodes about something, by id.

    Those that fit best are first; those that fit alike are in the order of the work. All words of
    the text must occur. A node that mentions them only in its description is left out if others
    fit better.

    Raises: GraphError if no node is about it, with close words that nodes are about.
    """
    categories = category_names(registry, in_chinese)
    nodes = [_Searched(spec, categories[spec.category]) for spec in registry.values()]
    ranked = [(rank, node.spec) for node in nodes if (rank := node.rank(text)) is not None]
    if not ranked:
        raise GraphError(f"no node is about {text!r}", _advice(nodes, text))
    best = min(rank for rank, _ in ranked)
    ranks = {spec.id: rank for rank, spec in ranked if rank <= max(best, _ABOUT)}
    grouped = by_category(registry[name] for name in ranks).values()
    listed = sorted((spec for specs in grouped for spec in specs), key=lambda s: ranks[s.id])
    return {spec.id: spec for spec in listed}


class _Searched:
    """A node, and the texts in which it is searched, in both languages."""

    def __init__(self, spec: NodeSpec, category: str) -> None:
        """category: its Chinese name."""
        self.spec = spec
        self.names = [_plain(name) for name in (spec.title, spec.id, in_chinese(spec.title))]
        self.words = [_plain(w) for w in (*spec.search_words, spec.category, category)]

    @cached_property
    def vocabulary(self) -> set[str]:
        """The single words by which it is found, as somebody may have meant to type them."""
        texts = [*self.names, *self.words]
        return {word for text in texts for word in text.split()}

    def rank(self, text: str) -> int | None:
        """Returns how well it fits a text: 0 is best. None: it does not fit."""
        phrase = _plain(text)
        typed = phrase.split()
        names, found = " ".join(self.names), " ".join([*self.names, *self.words])
        summary = f"{found} {_plain(self.spec.summary)}"
        described = [self.spec.doc, *(w.description for w in self.spec.widgets.values())]
        fits = (
            phrase in self.names,
            _begin(typed, names),
            phrase in self.words,
            any(_begin(typed, words) for words in self.words),
            _begin(typed, found),
            _begin(typed, summary),
            _begin(typed, f"{summary} {_plain(' '.join(described))}"),
        )
        parts = not self.vocabulary.issuperset(typed)  # "style" is a part of "stylegan"
        return next((2 * rank + parts for rank, fit in enumerate(fits) if typed and fit), None)


def _advice(nodes: Iterable[_Searched], text: str) -> str:
    """Returns what to try instead of a text that no node is about."""
    typed = _plain(text).split()
    alone = [word for word in typed if any(node.rank(word) is not None for node in nodes)]
    if alone:
        return f"try one word, such as {' or '.join(map(repr, alone[:_MOST_CLOSE]))}"
    known = sorted(set().union(*(node.vocabulary for node in nodes)))
    close = difflib.get_close_matches(_plain(text), known, n=_MOST_CLOSE, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return "`artgraph nodes` lists all nodes"


def _plain(text: str) -> str:
    """Returns the words of a text, in lower case, with single spaces between them."""
    return " ".join(_WORD.findall(text.casefold()))


def _begin(typed: Iterable[str], text: str) -> bool:
    """Returns whether each typed word begins a word of a text; Chinese has no spaces."""
    return all(any(form in f" {text}" for form in _forms(word)) for word in typed)


def _forms(word: str) -> set[str]:
    """Returns how a typed word may begin a word: also in the singular, in both spellings."""
    forms = {word, other_spelling(word)}
    if len(word) > 3 and word.endswith("s"):
        forms |= {form[:-1] for form in forms}
    return {f" {form}" if form.isascii() else form for form in forms}
