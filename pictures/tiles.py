"""Many small pictures in one, for previews."""

from __future__ import annotations

from typing import Any

from PIL import Image


def tiled(pictures: Any) -> Image.Image:
    """Returns pictures, uint8 (N, H, W, 3), as one picture that is about square."""
    count, height, width, _ = pictures.shape
    columns = min(count, max(1, round((count * height / width) ** 0.5)))
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), "white")
    for i, picture in enumerate(pictures.numpy()):
        sheet.paste(Image.fromarray(picture), (i % columns * width, i // columns * height))
    return sheet
