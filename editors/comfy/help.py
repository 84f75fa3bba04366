"""Help pages and translations of the nodes, from their docstrings and a file of translations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ..formats.forms import class_id, node_form

WORDS = Path(__file__).with_name("words_zh.json")  # English to Chinese


def help_page(spec: NodeSpec) -> str:
    """Returns a node's help as Markdown."""
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
    registry: Mapping[str, NodeSpec], translate: Callable[[str], str]
) -> dict[str, Any]:
    """Returns the content of a `nodeDefs.json`, in the language of `translate`.

    ComfyUI's editor reads names and tooltips from this file. The choices of a widget are not
    translated, except in its tooltip.
    """
    definitions = {}
    for spec in sorted(registry.values(), key=lambda spec: spec.id):
        form = node_form(spec, translate)
        definitions[class_id(spec.id)] = {
            "display_name": form.title,
            "description": form.description,
            "inputs": {
                i.name: {"name": translate(i.name), "tooltip": i.options["tooltip"]}
                for i in form.inputs
            },
            "outputs": {
                str(number): {"name": translate(output.name), "tooltip": output.tooltip}
                for number, output in enumerate(form.outputs)
            },
        }
    return definitions


def translatable_texts(registry: Mapping[str, NodeSpec]) -> list[str]:
    """Returns each text that needs a translation, once. Names of one letter do not need one."""
    texts: dict[str, None] = {}

    def collect(text: str) -> str:
        texts[text] = None
        return text

    node_definitions(registry, collect)
    return [text for text in texts if len(text) > 1]


def in_chinese(text: str) -> str:
    """Returns the text in Chinese, or unchanged if there is no translation."""
    return ZH.get(text, text)


ZH: dict[str, str] = json.loads(WORDS.read_text(encoding="utf-8"))
LOCALES: dict[str, Callable[[str], str]] = {"en": str, "zh": in_chinese}
