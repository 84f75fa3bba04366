"""Measures transparency: `python benchmarks/alpha.py [OUT [SEED]]`.

Sprites with soft edges, whose fully transparent pixels have odd colours, are loaded, resized, put
on a sheet and saved. Each result is compared with the same in float64, on black, white and red. The
largest differences are printed, in levels of 255. Then a GAN and a VAE are trained on sprites of 32
px (a few minutes), and OUT/alpha.png shows what they draw on black, white, red and a checkerboard.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
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


def edge_errors(seed: int, count: int = 24) -> dict[str, float]:
    """Returns the largest difference of each step to float64, in levels of 255."""
    random = np.random.default_rng(seed)
    sprites = [sprite(96, random) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        for number, pixels in enumerate(sprites):
            Image.fromarray(pixels).save(Path(folder) / f"{number:03}.png")
        loaded = run("load_dataset", {}, folder=folder, size=32, alpha="keep")["dataset"].images
    found = dict.fromkeys(("load", "resize", "save", "webp", "sheet"), 0.0)
    for number, pixels in enumerate(sprites):
        found["load"] = max(
            found["load"], difference(loaded[number].numpy(), reference(pixels, 32, "lanczos"))
        )
        image = torch.from_numpy(pixels)[None].float() / 255
        small = run("resize_image", {"image": image}, width=32)["image"]
        wanted = reference(pixels, 32, "cubic")
        levels = (small[0].double() * 255).round().numpy()
        found["resize"] = max(found["resize"], difference(levels, wanted))
        for kind, form in (("save", "png"), ("webp", "webp")):
            files = run("save_image", {"image": small}, format=form, quality=100)["files"].files
            with Image.open(BytesIO(next(iter(files.values())))) as saved:
                found[kind] = max(found[kind], difference(np.array(saved), wanted))
        sheet = run("image_grid", {"image": small}, scale=1, gap=0)["image"]
        board = np.asarray(on_checkerboard(Image.new("RGBA", (32, 32))), np.float64)
        shown = sheet[0].double().numpy() * 255
        found["sheet"] = max(found["sheet"], float(abs(shown - on_ground(wanted, board)).max()))
    return found


def drawn(seed: int, steps: int) -> dict[str, torch.Tensor]:
    """Returns pictures (N, 32, 32, 4) of the dataset, of a trained GAN, and of a trained VAE."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(512):
            Image.fromarray(sprite(64, random)).save(Path(folder) / f"{number:03}.png")
        dataset = run("load_dataset", {}, folder=folder, size=32, alpha="keep")["dataset"]
    first = dataset.images[:10].float() / 255
    gan = run("train_gan", {"dataset": dataset}, steps=steps, batch=16)["gan"]
    r3 = run("train_gan", {"dataset": dataset}, steps=steps, batch=16, method="r3")["gan"]
    vae = run("train_vae", {"dataset": dataset}, steps=steps, batch=16)["vae"]
    latent = run("vae_encode", {"vae": vae, "image": first})["vae_latent"]
    return {
        "dataset": first,
        "gan": run("sample_latent", {"gan": gan}, count=10)["image"],
        "r3": run("sample_latent", {"gan": r3}, count=10)["image"],
        "vae": run("vae_decode", {"vae": vae, "latent": latent})["image"],
    }


def sheet_of(pictures: dict[str, torch.Tensor]) -> Image.Image:
    """Returns rows of pictures on each ground and on a checkerboard, enlarged three times."""
    rows = [(batch, ground) for batch in pictures.values() for ground in (*GROUNDS.values(), None)]
    sheet = Image.new("RGB", (10 * 100, len(rows) * 100), (90, 90, 90))
    for row, (batch, ground) in enumerate(rows):
        for column, picture in enumerate(batch):
            levels = (picture.numpy() * 255).round().astype(np.uint8)
            large = Image.fromarray(levels).resize((96, 96), Image.Resampling.NEAREST)
            if ground is not None:
                behind = Image.new("RGBA", large.size, ground)
                large = Image.alpha_composite(behind, large)
            sheet.paste(on_checkerboard(large), (column * 100, row * 100))
    return sheet


def halo(pictures: torch.Tensor) -> float:
    """Returns by how much edges are darker or lighter than the inside, in levels of 255.

    It is the difference of the mean straight colours where pictures are half clear and opaque.
    """
    colours, alpha = pictures[..., :3], pictures[..., 3]
    edges, inside = (alpha > 0.1) & (alpha < 0.5), alpha > 0.9
    if not edges.any() or not inside.any():
        return math.nan
    return float((colours[edges].mean() - colours[inside].mean()) * 255)


def main() -> None:
    """Print the differences, train, and write the sheet."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    for name, error in edge_errors(seed).items():
        print(f"{name:8} {error:.2f} levels of 255")
    pictures = drawn(seed, steps=400)
    for name, batch in pictures.items():
        print(f"{name:8} edges are {halo(batch):+.1f} levels lighter than the inside")
    out.mkdir(parents=True, exist_ok=True)
    sheet_of(pictures).save(out / "alpha.png")


if __name__ == "__main__":
    main()
