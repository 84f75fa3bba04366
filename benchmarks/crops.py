"""How much of a thing remains in a crop.

    python benchmarks/crops.py [--things PATH] [--photographs PATH] [--sheet PATH]

Things are painted, or read from a folder of pictures with transparent parts. Each is put anywhere
on a ground of 480 x 270 or 270 x 480 px. The ground is of one colour, a gradient, a texture, or
cluttered with smaller things. Then the picture is cropped to a square with `fit: crop` (the middle)
and `fit: salient`. Printed are the mean share of the thing's pixels that remain, and how often at
least nine tenths of them do. Sprites are the same things without a ground.

--sheet saves a picture with some cases: the whole, the middle, and the salient crop.
--photographs reads pictures from a folder and only adds them to the sheet.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from artgraph.pictures.fitting import box_of, fitted
from artgraph.pictures.reading import read_picture
from artgraph.pictures.walk import walk

Picture = Image.Image
Draw = np.random.Generator
CASES, SIZE, ON_SHEET = 100, 128, 8
GREY = (128, 128, 128)


def colour(draw: Draw) -> tuple[int, ...]:
    """Returns a random colour."""
    return tuple(int(level) for level in draw.integers(20, 236, 3))


def painted(draw: Draw) -> Picture:
    """Returns a thing: a round shape in one colour, with patches in others."""
    thing = Image.new("RGBA", (120, 120))
    pen = ImageDraw.Draw(thing)
    box = [int(value) for value in (*draw.integers(0, 30, 2), *draw.integers(90, 120, 2))]
    pen.ellipse(box, fill=(*colour(draw), 255))
    for _ in range(5):
        x, y = (int(value) for value in draw.integers(25, 80, 2))
        pen.ellipse([x, y, x + 18, y + 14], fill=(*colour(draw), 255))
    return thing


def patches(draw: Draw, size: tuple[int, int], grain: int, strength: float) -> Picture:
    """Returns a texture with patches of some pixels."""
    shape = (max(2, size[1] // grain), max(2, size[0] // grain), 3)
    noise = np.array(colour(draw)) + strength * draw.normal(0, 1, shape)
    small = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def gradient(draw: Draw, size: tuple[int, int]) -> Picture:
    """Returns a gradient between two colours, in any direction."""
    angle = draw.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    share = (0.5 + 0.35 * (x * np.cos(angle) + y * np.sin(angle))).clip(0, 1)[..., None]
    mixed = share * np.array(colour(draw)) + (1 - share) * np.array(colour(draw))
    return Image.fromarray(mixed.astype(np.uint8))


def cluttered(draw: Draw, size: tuple[int, int]) -> Picture:
    """Returns a ground with many small things of one size."""
    ground = Image.new("RGB", size, colour(draw))
    for _ in range(60):
        small = painted(draw).resize((24, 24))
        place = (int(draw.integers(-12, size[0] - 12)), int(draw.integers(-12, size[1] - 12)))
        ground.paste(small, place, small)
    return ground.filter(ImageFilter.GaussianBlur(1))


GROUNDS: dict[str, Callable[[Draw, tuple[int, int]], Picture]] = {
    "one colour": lambda draw, size: Image.new("RGB", size, colour(draw)),
    "gradient": gradient,
    "texture": lambda draw, size: patches(draw, size, 6, 25),
    "blotches": lambda draw, size: patches(draw, size, 40, 20),
    "cluttered": cluttered,
    "sprite": lambda draw, size: Image.new("RGBA", size),
}


def cases(ground: str, things: list[Picture]) -> Iterator[tuple[Picture, Picture]]:
    """Yields pictures with a thing, and where it is, as grey from 0 to 255."""
    draw = np.random.default_rng(list(GROUNDS).index(ground))
    for _ in range(CASES):
        size = (480, 270) if draw.random() < 0.5 else (270, 480)
        picture = GROUNDS[ground](draw, size)
        thing = things[draw.integers(len(things))] if things else painted(draw)
        edge = int(draw.integers(80, 180))
        scale = edge / max(thing.size)
        thing = thing.resize([max(1, round(side * scale)) for side in thing.size])
        place = tuple(
            int(draw.integers(0, whole - part + 1))
            for whole, part in zip(size, thing.size, strict=True)
        )
        where = Image.new("L", size)
        where.paste(thing.getchannel(3), place)
        picture.paste(thing, place, thing)
        yield picture, where


def crops(picture: Picture, where: Picture | None = None) -> tuple[list[Picture], list[float]]:
    """Returns the two crops, and the shares of the thing that they contain."""
    whole = np.asarray(where).sum(dtype=float) if where else 1.0
    cut, shares = [], []
    for fit in ("crop", "salient"):
        small = picture if where is None else picture.convert("RGBA")
        cut.append(Image.fromarray(fitted(small, SIZE, SIZE, fit).pixels))  # type: ignore[arg-type]
        if where:
            box = box_of(small, SIZE, SIZE, fit)
            part = where.crop(tuple(map(round, box)))
            shares.append(np.asarray(part).sum(dtype=float) / whole)
    return cut, shares


def row_of(picture: Picture, cut: list[Picture]) -> Picture:
    """Returns a row of the sheet: the whole picture, the middle, and the salient crop."""
    row = Image.new("RGB", (4 * SIZE, SIZE), GREY)
    whole = picture.copy()
    whole.thumbnail((2 * SIZE - 8, SIZE - 4))
    for part, x in ((whole, 0), (cut[0], 2 * SIZE), (cut[1], 3 * SIZE + 4)):
        part = part.convert("RGBA").resize(
            part.size if part is whole else (SIZE - 4, SIZE - 4), Image.Resampling.BICUBIC
        )
        row.paste(part, (x, 0), part)
    return row


def save_sheet(path: Path, rows: list[Picture]) -> None:
    """Save rows in two columns."""
    half = -(-len(rows) // 2)
    sheet = Image.new("RGB", (8 * SIZE + 16, SIZE * half), GREY)
    for number, row in enumerate(rows):
        sheet.paste(row, ((number // half) * (4 * SIZE + 16), SIZE * (number % half)))
    sheet.save(path)


def pictures_in(folder: Path | None) -> Iterator[Picture]:
    """Yields the pictures of a folder, with alpha."""
    for entry in walk(folder) if folder else ():
        if entry.kind == "picture":
            yield read_picture(Path(entry.path), background=None)


def main() -> None:
    """Print how much remains on each kind of ground, and save the sheet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--things", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    things = [thing for thing in pictures_in(options.things) if thing.getextrema()[3][0] == 0]
    rows = [row_of(photo, crops(photo)[0]) for photo in pictures_in(options.photographs)]
    print("ground       middle: mean share, 90 % kept   salient: mean share, 90 % kept")
    for ground in GROUNDS:
        found = []
        for number, (picture, where) in enumerate(cases(ground, things)):
            cut, shares = crops(picture, where)
            found.append(shares)
            if number < ON_SHEET:
                rows.append(row_of(picture, cut))
        kept = np.array(found)
        means, whole = kept.mean(0), (kept >= 0.9).mean(0)
        print(
            f"{ground:12} {means[0]:18.1%} {whole[0]:11.0%} {means[1]:21.1%} {whole[1]:11.0%}",
            flush=True,
        )
    if options.sheet:
        save_sheet(options.sheet, rows)


if __name__ == "__main__":
    main()
