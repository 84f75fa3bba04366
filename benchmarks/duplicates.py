"""How many planted duplicates `drop_duplicates` finds, and how many other pictures it flags.

    python benchmarks/duplicates.py [--seed 1] [--count 2000] [--size 64] [--folder PATH]

Pictures are painted at 192 px, or read from a folder. Some are changed once and some twice, and all
are resized to the size of a dataset. The changes are: crop (a window of at least 90 % of each side,
anywhere), shift (by up to 10 %, what is outside is cut off), flip, recolour (hue, brightness,
contrast, saturation, channels or gamma), JPEG of quality 30, and resize (to 40-160 %).
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from artgraph.api import Context, Dataset, load_nodes
from artgraph.pictures.reading import read_picture
from artgraph.pictures.walk import walk

Picture = Image.Image


def crop(picture: Picture, draw: random.Random) -> Picture:
    """Cut out a window of at least 90 % of each side."""
    width, height = (round(side * draw.uniform(0.9, 1)) for side in picture.size)
    x, y = draw.randint(0, picture.width - width), draw.randint(0, picture.height - height)
    return picture.crop((x, y, x + width, y + height))


def shift(picture: Picture, draw: random.Random) -> Picture:
    """Shift a picture by up to 10 %, and cut off what is then outside."""
    x, y = (round(draw.uniform(-0.1, 0.1) * side) for side in picture.size)
    box = (max(0, x), max(0, y), picture.width + min(0, x), picture.height + min(0, y))
    return picture.crop(box)


def flip(picture: Picture, draw: random.Random) -> Picture:
    """Flip a picture across or down."""
    return draw.choice([ImageOps.mirror, ImageOps.flip])(picture)


def recolour(picture: Picture, draw: random.Random) -> Picture:
    """Change hue, brightness, contrast, saturation, channels or gamma."""
    kind = draw.randrange(6)
    if kind == 0:
        turn = draw.randrange(30, 226)
        hue, saturation, value = picture.convert("HSV").split()
        hue = hue.point(lambda level: (level + turn) % 256)
        return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    if kind == 1:
        return ImageEnhance.Brightness(picture).enhance(draw.uniform(0.6, 1.4))
    if kind == 2:
        return ImageEnhance.Contrast(picture).enhance(draw.uniform(0.5, 1.5))
    if kind == 3:
        return ImageEnhance.Color(picture).enhance(draw.choice([0, 0.3, 1.8]))
    if kind == 4:
        channels = list(picture.split())
        draw.shuffle(channels)
        return Image.merge("RGB", channels)
    gamma = draw.uniform(0.6, 1.6)
    return picture.point(lambda level: round(255 * (level / 255) ** gamma))


def jpeg(picture: Picture, draw: random.Random) -> Picture:
    """Save a picture as a JPEG of quality 30."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


def resize(picture: Picture, draw: random.Random) -> Picture:
    """Resize a picture to 40-160 %."""
    factor = draw.uniform(0.4, 1.6)
    return picture.resize([max(8, round(side * factor)) for side in picture.size])


CHANGES = (crop, shift, flip, recolour, jpeg, resize)


def originals(count: int, seed: int, folder: Path | None) -> list[Picture]:
    """Returns different pictures: painted ones, or those of a folder."""
    if folder is None:
        art = load_nodes()["procedural_art"].function
        painted = art(count=count, size=192, seed=seed, ctx=Context.quiet())
        return [Image.fromarray(pixels.numpy()) for pixels in painted.images]
    paths = [Path(entry.path) for entry in walk(folder) if entry.kind == "picture"]
    random.Random(seed).shuffle(paths)
    return [read_picture(path, 256) for path in paths[:count]]


def fitted(pictures: list[Picture], size: int) -> np.ndarray:
    """Returns the middle squares of pictures, (N, size, size, 3)."""
    square = (size, size)
    fits = (ImageOps.fit(picture, square, Image.Resampling.LANCZOS) for picture in pictures)
    return np.stack([np.asarray(picture) for picture in fits])


def dropped(images: np.ndarray) -> dict[int, int]:
    """Returns the rows that `drop_duplicates` drops, with the rows that they repeat."""
    names = tuple(map(str, range(len(images))))
    labels = torch.zeros(len(images), dtype=torch.int64)
    dataset = Dataset(torch.from_numpy(images), labels, ("a",), names)
    found = load_nodes()["drop_duplicates"].function(dataset, ctx=Context.quiet())
    columns = found.table.columns
    return dict(zip(map(int, columns["name"]), map(int, columns["of"]), strict=True))


def main() -> None:
    """Measure, and print three lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    pictures = originals(options.count, options.seed, options.folder)
    base = fitted(pictures, options.size)
    start = time.perf_counter()
    flagged = dropped(base)
    seconds = time.perf_counter() - start
    share = len(flagged) / len(base)
    print(f"flagged of {len(base)} different pictures: {share:.2%} ({seconds:.0f} s)", flush=True)
    usable = [row for row in range(len(base)) if row not in flagged]
    for changes in (1, 2):
        rows = draw.sample(usable, min(len(usable), 600))
        changed, how = [], []
        for number, row in enumerate(rows):
            kinds = draw.sample(CHANGES, 2) if changes == 2 else [CHANGES[number % len(CHANGES)]]
            picture = pictures[row]
            for kind in kinds:
                picture = kind(picture, draw)
            changed.append(picture)
            how.append(" + ".join(kind.__name__ for kind in kinds))
        found = dropped(np.concatenate([base, fitted(changed, options.size)]))
        missed = [how[i] for i in range(len(rows)) if len(base) + i not in found]
        print(
            f"found with {changes} changes: {1 - len(missed) / len(rows):.2%} of {len(rows)};"
            f" missed: {dict(Counter(missed))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
