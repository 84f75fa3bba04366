"""Many small pictures in one, for previews."""

from __future__ import annotations

from typing import Any

from PIL import Image

from .alpha import on_checkerboard


def tiled(pictures: Any) -> Image.Image:
    """Returns pictures, uint8 (N, H, W, C), as one picture that is about square."""
    count, height, width = pictures.shape[:3]
    columns = min(count, max(1, round((count * height / width) ** 0.5)))
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), "white")
    for i, picture in enumerate(pictures.numpy()):
        sheet.paste(
            on_checkerboard(Image.fromarray(picture)), (i % columns * width, i // columns * height)
        )
    return sheet
