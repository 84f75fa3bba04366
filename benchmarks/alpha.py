"""Measures transparency.

    python benchmarks/alpha.py [--seed 7] [--steps 1500] [--out FOLDER]
    python benchmarks/alpha.py --pictures FOLDER [--size 64] [--steps 300] [--out FOLDER]

Sprites with soft edges, whose fully transparent pixels have odd colours, are loaded, resized, put
on a sheet and saved. Each result is compared with the same in float64, on black, white and red. The
largest differences are printed, in levels of 255. Then GANs and a VAE are trained on sprites of 32
px, or on the pictures of a folder; with 64 px, the GANs also start from the base model. alpha.png
shows what they draw on black, white, red and a checkerboard. `traces` says what is printed for it.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.pictures.alpha import on_checkerboard

Floats = NDArray[np.float64]

GROUNDS = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0)}
ODD = ((255, 0, 255), (0, 255, 0), (255, 255, 255), (0, 0, 0))  # colours of what is transparent
FINE = 4  # samples of a pixel along an edge
VISIBLE, OPAQUE = 0.1, 0.9  # opacities between which a pixel is part of an edge
NEAR = 4  # largest distance in pixels to the opaque pixel that an edge is compared with
CELL, COLUMNS = 128, 10  # edge of a picture on the sheet in pixels, and pictures in a row
BASE = Path(__file__).parents[1] / "graphs/base/gan_64.safetensors"
NODES = load_nodes()


def sprite(edge: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Returns a shape with a soft edge, uint8 (H, W, 4), and odd colours where it is clear."""
    y, x = (np.mgrid[: edge * FINE, : edge * FINE] + 0.5) / (edge * FINE)
    middle, radius = random.uniform(0.35, 0.65, 2), random.uniform(0.15, 0.3)
    dx, dy = x - middle[0], y - middle[1]
    far = (np.hypot(dx, dy), np.maximum(abs(dx), abs(dy)), abs(dx) + abs(dy))[random.integers(3)]
    if random.random() < 0.3:
        far = abs(far - radius) + 0.6 * radius  # a ring
    soft = random.choice([1e-3, 0.08])
    share = ((radius - far) / soft + 0.5).clip(0, 1)
    alpha = share.reshape(edge, FINE, edge, FINE).mean((1, 3)) * random.choice([1.0, 1.0, 0.6])
    colours = np.empty((edge, edge, 3))
    first, second = random.uniform(40, 255, (2, 3))
    slope = np.linspace(0, 1, edge)[:, None, None]
    colours[:] = first + (second - first) * slope
    pixels = np.concatenate([colours, alpha[..., None] * 255], 2).round().astype(np.uint8)
    pixels[pixels[..., 3] == 0, :3] = ODD[random.integers(len(ODD))]
    return pixels


def weights(before: int, after: int, reach: int, kernel: Callable[[Floats], Floats]) -> Floats:
    """Returns the matrix (after, before) that resizes a row of pixels."""
    scale = before / after
    wide = max(1.0, scale)
    centres = (np.arange(after) + 0.5) * scale
    distance = (np.arange(before) + 0.5 - centres[:, None]) / wide
    matrix = np.where(abs(distance) < reach, kernel(distance), 0)
    return np.asarray(matrix / matrix.sum(1, keepdims=True))


def lanczos(x: Floats) -> Floats:
    """Returns the filter of Pillow's LANCZOS."""
    return np.asarray(np.sinc(x) * np.sinc(x / 3))


def cubic(x: Floats) -> Floats:
    """Returns the filter of torch's bicubic interpolation with antialiasing."""
    x = abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    return np.asarray(np.where(x < 1, near, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2))


def reference(pixels: NDArray[np.uint8], edge: int, kind: str) -> Floats:
    """Returns a sprite in another size, premultiplied (H, W, 4) in 0..1, computed in float64."""
    straight = pixels / 255
    shares = np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], 2)
    kernel, reach = (lanczos, 3) if kind == "lanczos" else (cubic, 2)
    matrix = weights(len(pixels), edge, reach, kernel)
    small = np.einsum("ab,bcd->acd", matrix, shares)
    small = np.einsum("ab,cbd->cad", matrix, small)
    straight = (small[..., :3] / small[..., 3:].clip(1e-9)).clip(0, 1)
    alpha = small[..., 3:].clip(0, 1)
    return np.concatenate([straight * alpha, alpha], 2)


def on_ground(shares: Floats, ground: Any) -> Floats:
    """Returns premultiplied pixels in 0..1 in front of a colour, in levels of 255."""
    return np.asarray(shares[..., :3] * 255 + (1 - shares[..., 3:]) * np.asarray(ground))


def premultiplied(pixels: Any) -> Floats:
    """Returns straight levels (H, W, 4) as premultiplied pixels in 0..1."""
    straight = np.asarray(pixels, np.float64) / 255
    return np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], 2)


def difference(pixels: Any, shares: Floats) -> float:
    """Returns the largest difference of straight levels to a reference, on all grounds."""
    ours = premultiplied(pixels)
    return max(
        float(abs(on_ground(ours, g) - on_ground(shares, g)).max()) for g in GROUNDS.values()
    )


def run(name: str, inputs: dict[str, Any], **widgets: Any) -> dict[str, Any]:
    """Runs a node as a graph does."""
    spec = NODES[name]
    values, problems = spec.check(widgets)
    assert not problems, problems
    values = {n: Path(v) if n in spec.paths and v else v for n, v in values.items()}
    return spec(inputs, values, Context(warn=lambda line: print(f"  {name}: {line}")))


def square_parts(folder: Path, count: int, random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Returns the middle 96 x 96 px, or less, of random pictures of a folder: (H, H, 4) each.

    Parts that are completely opaque are left out: they are resized like pictures without alpha.
    """
    found = sorted(folder.rglob("*.png"))
    parts = []
    for number in random.permutation(len(found)):
        with Image.open(found[number]) as picture:
            if len(parts) == count or max(picture.size) > 2000:  # the largest take long
                continue
            edge = min(96, *picture.size)
            left, top = ((side - edge) // 2 for side in picture.size)
            box = left, top, left + edge, top + edge
            pixels = np.array(picture.convert("RGBA").crop(box))
        if pixels[..., 3].min() < 255:
            parts.append(pixels)
    return parts


def edge_errors(seed: int, count: int = 24, folder: Path | None = None) -> dict[str, float]:
    """Returns the largest difference of each step to float64, in levels of 255."""
    random = np.random.default_rng(seed)
    if folder is None:
        sprites = [sprite(96, random) for _ in range(count)]
    else:
        sprites = square_parts(folder, count, random)
    with tempfile.TemporaryDirectory() as copies:
        for number, pixels in enumerate(sprites):
            Image.fromarray(pixels).save(Path(copies) / f"{number:03}.png")
        small = run("load_dataset", {}, folder=copies, size=32, alpha="keep")["dataset"].images
    found = dict.fromkeys(("load", "resize", "save", "webp", "sheet"), 0.0)
    for number, pixels in enumerate(sprites):
        found["load"] = max(
            found["load"], difference(small[number].numpy(), reference(pixels, 32, "lanczos"))
        )
        image = torch.from_numpy(pixels)[None].float() / 255
        image = run("resize_image", {"image": image}, width=32)["image"]
        wanted = reference(pixels, 32, "cubic")
        levels = (image[0].double() * 255).round().numpy()
        found["resize"] = max(found["resize"], difference(levels, wanted))
        for kind, form in (("save", "png"), ("webp", "webp")):
            files = run("save_image", {"image": image}, format=form, quality=100)["files"].files
            with Image.open(BytesIO(next(iter(files.values())))) as saved:
                found[kind] = max(found[kind], difference(np.array(saved.convert("RGBA")), wanted))
        sheet = run("image_grid", {"image": image}, scale=1, gap=0)["image"]
        board = np.asarray(on_checkerboard(Image.new("RGBA", (32, 32))), np.float64)
        shown = sheet[0].double().numpy() * 255
        found["sheet"] = max(found["sheet"], float(abs(shown - on_ground(wanted, board)).max()))
    return found


def loaded(words: argparse.Namespace) -> Any:
    """Returns the dataset to train on: the pictures of a folder, or sprites."""
    widgets = {"size": words.size, "alpha": "keep", "fit": "pad"}
    if words.pictures is not None:
        return run("load_dataset", {}, folder=str(words.pictures), **widgets)["dataset"]
    random = np.random.default_rng(words.seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(512):
            pixels = sprite(2 * words.size, random)
            Image.fromarray(pixels).save(Path(folder) / f"{number:03}.png")
        return run("load_dataset", {}, folder=folder, **widgets)["dataset"]


def drawn(dataset: Any, words: argparse.Namespace) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields pictures (N, H, W, 4) of the dataset, of a trained VAE, and of trained GANs."""
    real = dataset.images[:: max(1, len(dataset.images) // words.count)][: words.count]
    real = real.float() / 255
    yield "dataset", real
    settings = {"steps": words.steps, "batch": 16, "seed": words.seed}
    vae = run("train_vae", {"dataset": dataset}, **settings)["vae"]
    latent = run("vae_encode", {"vae": vae, "image": real})["vae_latent"]
    yield "vae", run("vae_decode", {"vae": vae, "latent": latent})["image"]
    inputs = {"dataset": dataset}
    if words.size == 64:
        inputs["start"] = run("load_model", {}, path=str(BASE))["gan"]
    for method in ("projected", "r3"):
        gan = run("train_gan", inputs, method=method, **settings)["gan"]
        yield method, run("sample_latent", {"gan": gan}, count=words.count)["image"]
        inputs.pop("start", None)


def sheet_of(pictures: dict[str, torch.Tensor]) -> Image.Image:
    """Returns rows of pictures on each ground and on a checkerboard, with cells of CELL px."""
    rows = [(batch, ground) for batch in pictures.values() for ground in (*GROUNDS.values(), None)]
    cell = CELL + 4
    sheet = Image.new("RGB", (COLUMNS * cell, len(rows) * cell), (90, 90, 90))
    for row, (batch, ground) in enumerate(rows):
        for column, picture in enumerate(batch[:COLUMNS]):
            levels = (picture.numpy() * 255).round().astype(np.uint8)
            large = Image.fromarray(levels).resize((CELL, CELL), Image.Resampling.NEAREST)
            if ground is not None:
                behind = Image.new("RGBA", large.size, ground)
                large = Image.alpha_composite(behind, large)
            sheet.paste(on_checkerboard(large), (column * cell, row * cell))
    return sheet


def traces(pictures: torch.Tensor) -> dict[str, float]:
    """Returns what would be seen as halos and dirt, in levels of 255. Compare with real pictures.

    lighter:  how much lighter the straight colours of edges are than the nearest opaque pixel's
    other:    the mean absolute difference of these colours
    haze:     the mean opacity of what is more than NEAR pixels away from anything visible
    strong:   the share of visible pixels of edges with a straight colour of 0 or 255
    """
    levels = (pictures.numpy() * 255).round()
    alpha, colours = levels[..., 3] / 255, levels[..., :3]
    near, visible = np.zeros_like(colours), np.zeros(alpha.shape, bool)
    found = alpha > OPAQUE
    near[found] = colours[found]
    reach = range(-NEAR, NEAR + 1)
    for down, right in sorted(product(reach, reach), key=lambda move: math.hypot(*move)):
        moved = [_moved(values, down, right) for values in (alpha, colours)]
        new = (moved[0] > OPAQUE) & ~found
        near[new] = moved[1][new]
        found |= new
        visible |= moved[0] > VISIBLE
    edges = (alpha > VISIBLE) & (alpha < OPAQUE) & found
    difference = colours[edges] - near[edges]
    clipped = (colours[edges] == 0) | (colours[edges] == 255)
    values = difference, abs(difference), levels[..., 3][~visible], clipped
    means = (float(v.mean()) if v.size else math.nan for v in values)
    return dict(zip(("lighter", "other", "haze", "strong"), means, strict=True))


def _moved(values: Floats, down: int, right: int) -> Floats:
    """Returns pictures (N, H, W, ...) moved by so many pixels; what is uncovered is 0."""
    size = values.shape[1:3]
    room = [(0, 0), (NEAR, NEAR), (NEAR, NEAR), *[(0, 0)] * (values.ndim - 3)]
    padded = np.pad(values, room)
    return padded[:, NEAR - down : NEAR - down + size[0], NEAR - right : NEAR - right + size[1]]


def main() -> None:
    """Print the differences, train, print the traces, and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--count", type=int, default=64, help="pictures to measure")
    parser.add_argument("--pictures", type=Path, help="a folder instead of sprites")
    parser.add_argument("--out", type=Path, default=Path("out/alpha"))
    words = parser.parse_args()
    torch.set_num_threads(1)
    for name, error in edge_errors(words.seed, folder=words.pictures).items():
        print(f"{name:9} {error:.2f} levels of 255", flush=True)
    pictures = {}
    words.out.mkdir(parents=True, exist_ok=True)
    for name, batch in drawn(loaded(words), words):
        figures = ", ".join(f"{key} {value:.2f}" for key, value in traces(batch).items())
        print(f"{name:9} {figures}", flush=True)
        pictures[name] = batch
        np.save(words.out / f"{name}.npy", batch.numpy())
        sheet_of(pictures).save(words.out / "alpha.png")


if __name__ == "__main__":
    main()
