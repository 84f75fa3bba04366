"""Help pages and translations of the nodes, from their docstrings and a file of words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..nodes.contract import NodeSpec
from .comfy_forms import class_id, node_form

WORDS = Path(__file__).with_name("comfy_words_zh.json")  # English to Chinese


def help_page(spec: NodeSpec) -> str:
    """A node's help as Markdown."""
    form = node_form(spec)
    lines = [f"# {form.title}", "", spec.doc, ""]
    for title, sockets in (
        ("Inputs", [i for i in form.inputs if not i.is_widget]),
        ("Widgets", form.widgets),
    ):
        if sockets:
            lines += [f"## {title}", ""]
            for i in sockets:
                text, *choices = i.options["tooltip"].split("\n")
                lines += [f"- **{i.name}**: {text}", *(f"  - {choice}" for choice in choices)]
            lines.append("")
    lines += ["## Outputs", "", *(f"- **{o.name}**: {o.tooltip}" for o in form.outputs), ""]
    lines += [f"In a graph file: `node: {spec.id}`. Version {spec.version}.", ""]
    return "\n".join(lines)


def node_definitions(
    registry: Mapping[str, NodeSpec], told: Callable[[str], str]
) -> dict[str, Any]:
    """What ComfyUI reads as `nodeDefs.json`, in the language of `told`.

    Its editor takes names and tooltips from there; the choices of a widget stay as they are.
    """
    definitions = {}
    for spec in sorted(registry.values(), key=lambda spec: spec.id):
        form = node_form(spec, told)
        definitions[class_id(spec.id)] = {
            "display_name": form.title,
            "description": form.description,
            "inputs": {
                i.name: {"name": told(i.name), "tooltip": i.options["tooltip"]} for i in form.inputs
            },
            "outputs": {
                str(number): {"name": told(output.name), "tooltip": output.tooltip}
                for number, output in enumerate(form.outputs)
            },
        }
    return definitions


def texts(registry: Mapping[str, NodeSpec]) -> list[str]:
    """Each text that a translation is asked for, once; names of one letter need none."""
    asked: dict[str, None] = {}

    def told(text: str) -> str:
        asked[text] = None
        return text

    node_definitions(registry, told)
    return [text for text in asked if len(text) > 1]


def in_chinese(text: str) -> str:
    """The text in Chinese, or as it is where there is none yet."""
    return ZH.get(text, text)


ZH: dict[str, str] = json.loads(WORDS.read_text(encoding="utf-8"))
LOCALES: dict[str, Callable[[str], str]] = {"en": str, "zh": in_chinese}
