"""The names of nodes and knobs, the keys of a node, and what is wrong with one of them."""

from __future__ import annotations

import re
import unicodedata

from ...contract.wording import suggestion

_LONGEST = 100  # characters of a name
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
NODE_NAME = re.compile(rf"{NAME.pattern}(/{NAME.pattern})*")  # outer/inner is in an inner graph

NAME_ADVICE = (
    "use letters a to z, digits, _ and -, and begin with a letter; any text can be `about`"
)
NODE_KEYS = ("node", "about", "mode", "from", "with")
TYPE_KEYS = ("type", "class", "class_type", "kind", "op")  # written for `node`
_WIRE_KEYS = ("inputs", "input", "wires", "links", "connections")
_VALUE_KEYS = ("widgets", "values", "params", "parameters", "args", "settings", "options")


def key_advice(key: str) -> str:
    """Returns what to write instead of an unknown key of a node."""
    for keys, ours in ((TYPE_KEYS, "node"), (_WIRE_KEYS, "from"), (_VALUE_KEYS, "with")):
        if key.lower() in keys:
            return f"write `{ours}`"
    known = "a node has `node`, `from` (wires), `with` (values), `about` and `mode`"
    return suggestion(key, ("node", "from", "with", "mode"), known)


def name_mistake(name: str) -> str:
    """Returns why a text is not the name of a node or a knob."""
    if name == "knobs":
        return "`knobs` has a meaning of its own"
    if not name:
        return "it is empty"
    if any(len(part) > _LONGEST for part in name.split("/")):
        return f"it has more than {_LONGEST} characters"
    name = unicodedata.normalize("NFC", name)
    wrong = next((c for c in name if not NAME.fullmatch(f"a{c}") and c != "/"), None)
    return f"it contains {wrong!r}" if wrong else f"it begins with {name[0]!r}"
