"""Checks values strictly before ComfyUI converts them: `"false"` is not true, and 3.9 is not 3.

ComfyUI converts the values of a prompt before the nodes can check them. Therefore our values are
checked when a prompt arrives. A wrong value is replaced by an object whose conversion fails.
ComfyUI then reports the message of the error at the node's input.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from ...contract.errors import NodeError
from ...contract.spec import NodeSpec
from ..formats.api_json import is_link
from ..formats.forms import from_comfy_value, node_id, widget_type


class InvalidValue(str):
    """A wrong value. Converting it to a number or a bool raises an error with `message`."""

    message: str

    def _fail(self) -> NoReturn:
        raise ValueError(self.message)

    __bool__ = __int__ = __float__ = _fail


def make_strict(data: Any, registry: Mapping[str, NodeSpec]) -> Any:
    """Mark the wrong values in a request to run a prompt, and return the request."""
    prompt = data.get("prompt") if isinstance(data, dict) else None
    for node in prompt.values() if isinstance(prompt, dict) else ():
        spec = registry.get(node_id(str(node.get("class_type"))) or "")
        inputs = node.get("inputs")
        if spec is not None and isinstance(inputs, dict):
            _mark(spec, inputs)
    return data


def _mark(spec: NodeSpec, inputs: dict[str, Any]) -> None:
    values = {
        name: from_comfy_value(widget, inputs[name])
        for name, widget in spec.widgets.items()
        if name in inputs and not is_link(inputs[name])
    }
    _, problems = spec.check(values)
    for problem in problems:
        name = problem.subject or ""
        if name in values and widget_type(spec.widgets[name]) in ("INT", "FLOAT", "BOOLEAN"):
            inputs[name] = invalid = InvalidValue(values[name])
            invalid.message = problem.message


def check_whole(value: Any, hidden: Mapping[str, Any], output: int) -> None:
    """Check that a fraction is not wired to an input of another pack that needs a whole number.

    Such a wire is possible because the types of our numbers include INT. Our own nodes check their
    values by themselves.

    Raises: NodeError.
    """
    if not isinstance(value, float) or value.is_integer():
        return
    prompt = hidden.get("prompt")
    for node in prompt.values() if isinstance(prompt, dict) else ():
        kind, inputs = str(node.get("class_type")), node.get("inputs")
        for name, link in inputs.items() if isinstance(inputs, dict) else ():
            is_linked = is_link(link) and [str(link[0]), link[1]] == [hidden["unique_id"], output]
            if is_linked and node_id(kind) is None and _type_of(kind, name) == "INT":
                title = (node.get("_meta") or {}).get("title") or kind
                what = f"{name} of {title!r} needs a whole number, but it is wired to {value:g}"
                raise NodeError(what, "change the numbers so that the result is whole")


def _type_of(kind: str, name: str) -> Any:
    """Returns the type of an input of a class; None if it is not known."""
    cls = sys.modules["nodes"].NODE_CLASS_MAPPINGS.get(kind)  # ComfyUI's module
    types = cls.INPUT_TYPES() if cls is not None and hasattr(cls, "INPUT_TYPES") else {}
    found = {**types.get("required", {}), **types.get("optional", {})}.get(name)
    return found[0] if found else None


@cache
def check_prompts() -> None:
    """Check all prompts that ComfyUI's server receives from now on, if there is a server."""
    try:
        from server import PromptServer

        from ...contract.registry import load_nodes

        handle = PromptServer.instance.add_on_prompt_handler
    except (ImportError, AttributeError):
        return
    handle(lambda data: make_strict(data, load_nodes()))
