"""Checks values strictly before ComfyUI converts them: `"false"` is not true, and 3.9 is not 3.

ComfyUI converts the values of a prompt before the nodes can check them. Therefore our values are
checked when a prompt arrives. A wrong value is replaced by an object whose conversion fails.
ComfyUI then reports the message of the error at the node's input.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

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
