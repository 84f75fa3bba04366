"""Makes the files of the ComfyUI pack that follow from others; a test checks that they are current.

python -m artgraph.editors.comfy.build_pack          # all but the icon and the banner
python -m artgraph.editors.comfy.build_pack --art    # these too
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
from ..formats.load import shipped_graphs
from ..formats.workflow_write import to_workflow
from .help import LOCALES, WORDS, ZH, help_page, node_definitions, texts

ROOT = Path(__file__).parents[2]
WEB = Path("editors/comfy/web")
EXAMPLES = Path("example_workflows")


def made_files() -> dict[Path, str]:
    """Every text that is made from the registry and the shipped graphs, by its place."""
    registry = load_nodes()
    files = {
        WEB / "docs" / f"{class_id(spec.id)}.md": help_page(spec) for spec in registry.values()
    }
    for language, told in LOCALES.items():
        definitions = node_definitions(registry, told)
        files[Path("locales") / language / "nodeDefs.json"] = _json(definitions)
    for name, path in shipped_graphs().items():
        document = check(read_document(path), registry)
        files[EXAMPLES / f"{name}.json"] = _json(to_workflow(document, registry))
    return files


def main(arguments: list[str]) -> None:
    """Write what is not current, remove what is made no more, and name what has no Chinese."""
    files = made_files()
    for path, text in files.items():
        _write(ROOT / path, text.encode())
        if path.parent == EXAMPLES:
            _write((ROOT / path).with_suffix(".jpg"), _picture(path.stem, json.loads(text)))
    kept = {path.stem for path in files}
    for folder in (WEB / "docs", EXAMPLES):
        for path in (ROOT / folder).iterdir():
            if path.stem not in kept:
                path.unlink()
    name_untranslated(load_nodes())
    if "--art" in arguments:
        _draw_art(ROOT / "docs")


def name_untranslated(registry: Mapping[str, NodeSpec]) -> None:
    """Print each text that ComfyUI's Chinese editor will show in English."""
    for text in texts(registry):
        if text not in ZH:
            print(f"no Chinese in editors/comfy/{WORDS.name}: {text!r}")


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _picture(name: str, workflow: dict[str, object]) -> bytes:
    """What the editor's templates show of a graph, as JPEG."""
    from PIL import Image

    from ..formats.thumbnails import thumbnail

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(thumbnail(name, workflow))) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _draw_art(folder: Path) -> None:
    """The icon, and a banner of 21 to 9: our own procedural pictures."""
    from PIL import Image

    from ...pictures.styles import STYLES, render

    edge, columns, rows = 128, 7, 3
    banner = Image.new("RGB", (edge * columns, edge * rows))
    for place in range(columns * rows):
        style = list(STYLES)[(place * 3 + place // columns) % len(STYLES)]
        tile = Image.fromarray(render(style, place, edge, 7))
        banner.paste(tile, (place % columns * edge, place // columns * edge))
    banner.save(folder / "banner.jpg", quality=85)
    icon = Image.new("RGB", (256, 256))
    for place, style in enumerate(("mondrian", "truchet", "bauhaus", "kandinsky")):
        tile = Image.fromarray(render(style, 3, 128, 11))
        icon.paste(tile, (place % 2 * 128, place // 2 * 128))
    icon.quantize(64).save(folder / "icon.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
