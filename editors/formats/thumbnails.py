"""Thumbnails of the shipped graphs for the templates dialog."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).parents[1] / "server" / "web" / "thumbnails"
_SIZE = (400, 400)
_MARGIN = 24
_GROUND, _NODE, _HEAD, _WIRE = "#1b1b1f", "#3a3a42", "#5aa9e6", "#7bc47f"


def thumbnail(name: str, workflow: Mapping[str, Any]) -> bytes:
    """Returns a WebP of the graph `name`: its stored picture, or else a drawing of `workflow`."""
    path = PICTURES / f"{name}.webp"
    return path.read_bytes() if path.is_file() else _draw(workflow)


def _draw(workflow: Mapping[str, Any]) -> bytes:
    """Returns a drawing of the nodes as boxes that are joined by wires."""
    from PIL import Image, ImageDraw

    boxes = {n["id"]: (*n["pos"], *n["size"]) for n in workflow["nodes"] if "Note" not in n["type"]}
    left, top = (min((box[i] for box in boxes.values()), default=0) for i in (0, 1))
    right, low = (max((b[i] + b[i + 2] for b in boxes.values()), default=1) for i in (0, 1))
    scale = min(
        *(
            (s - 2 * _MARGIN) / max(1, e)
            for s, e in zip(_SIZE, (right - left, low - top), strict=True)
        )
    )
    shift = [(s - e * scale) / 2 for s, e in zip(_SIZE, (right - left, low - top), strict=True)]

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale + shift[0], (y - top) * scale + shift[1]

    image = Image.new("RGB", _SIZE, _GROUND)
    draw = ImageDraw.Draw(image)
    for _, source, _, target, *_ in workflow["links"]:
        x, y, width, _ = boxes[source]
        draw.line([to_pixels(x + width, y), to_pixels(*boxes[target][:2])], _WIRE, 1)
    for x, y, width, height in boxes.values():
        draw.rounded_rectangle([*to_pixels(x, y), *to_pixels(x + width, y + height)], 2, _NODE)
        draw.rectangle([*to_pixels(x, y), *to_pixels(x + width, y + 24)], _HEAD)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85)
    return buffer.getvalue()
