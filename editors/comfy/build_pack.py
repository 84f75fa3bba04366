"""Generates files of the ComfyUI pack: help pages, locales and example workflows.

python -m artgraph.editors.comfy.build_pack          # all except the icon and the banner
python -m artgraph.editors.comfy.build_pack --art    # the icon and the banner as well

A test checks that the generated files are current.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ...runner.graph.document import read_document
from ..formats.convert import check
from ..formats.forms import class_id
from ..formats.help import (
    LOCALES,
    WORDS,
    ZH,
    category_names,
    help_page,
    node_definitions,
    translatable_texts,
)
from ..formats.load import shipped_graphs
from ..formats.workflow_write import to_workflow
from .templates import template_name, with_lesson
from .titles import comfy_title

ROOT = Path(__file__).parents[2]
WEB = Path("editors/comfy/web")
EXAMPLES = Path("example_workflows")
LOCALE = Path("locales")


def generated_files() -> dict[Path, str]:
    """Returns the texts generated from the registry and the shipped graphs, by path."""
    registry = load_nodes()
    files: dict[Path, str] = {}
    for language, translate in LOCALES.items():
        definitions = node_definitions(registry, translate)
        for spec in registry.values():
            name = class_id(spec.id)
            definitions[name]["display_name"] = comfy_title(spec, translate)
            page = f"{name}.md" if language == "en" else f"{name}/{language}.md"
            files[WEB / "docs" / page] = help_page(spec, translate)
        files[LOCALE / language / "nodeDefs.json"] = _json(definitions)
        if language != "en":
            texts = {"nodeCategories": category_names(registry, translate)}
            files[LOCALE / language / "main.json"] = _json(texts)
    for name, path in shipped_graphs().items():
        document = check(read_document(path), registry)
        workflow = with_lesson(to_workflow(document, registry), document)
        files[EXAMPLES / f"{template_name(name, document)}.json"] = _json(workflow)
    return files


def main(arguments: list[str]) -> None:
    """Write outdated files, delete obsolete ones, and print the texts without a translation."""
    files = generated_files()
    documents = {name: read_document(path) for name, path in shipped_graphs().items()}
    names = {template_name(name, document): name for name, document in documents.items()}
    for path, text in files.items():
        _write(ROOT / path, text.encode())
        if path.parent == EXAMPLES:
            workflow = json.loads(text)
            _write((ROOT / path).with_suffix(".jpg"), _picture(names[path.stem], workflow))
    current = {path.with_suffix("") for path in files}
    for folder in (WEB / "docs", EXAMPLES):
        for path in (ROOT / folder).rglob("*.*"):
            if path.relative_to(ROOT).with_suffix("") not in current:
                path.unlink()
    name_untranslated(load_nodes())
    if "--art" in arguments:
        _draw_art(ROOT / "docs")


def name_untranslated(registry: Mapping[str, NodeSpec]) -> None:
    """Print each text that has no Chinese translation; ComfyUI shows it in English."""
    for text in translatable_texts(registry):
        if text not in ZH:
            print(f"no translation in editors/comfy/{WORDS.name}: {text!r}")


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _picture(name: str, workflow: dict[str, object]) -> bytes:
    """Returns the picture of a graph in ComfyUI's list of templates, as JPEG."""
    from PIL import Image

    from ..formats.thumbnails import thumbnail

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(thumbnail(name, workflow))) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _draw_art(folder: Path) -> None:
    """Draw the icon and a banner of 21:9 from procedural pictures."""
    from PIL import Image

    from ...pictures.styles import STYLES, render

    edge, columns, rows = 128, 7, 3
    banner = Image.new("RGB", (edge * columns, edge * rows))
    for place in range(columns * rows):
        style = list(STYLES)[(place * 3 + place // columns) % len(STYLES)]
        tile = Image.fromarray(render(style, place, edge, edge, 7))
        banner.paste(tile, (place % columns * edge, place // columns * edge))
    banner.save(folder / "banner.jpg", quality=85)
    icon = Image.new("RGB", (256, 256))
    for place, style in enumerate(("mondrian", "truchet", "bauhaus", "kandinsky")):
        tile = Image.fromarray(render(style, 3, 128, 128, 11))
        icon.paste(tile, (place % 2 * 128, place // 2 * 128))
    icon.quantize(64).save(folder / "icon.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
