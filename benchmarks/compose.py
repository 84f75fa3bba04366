"""Whether pictures that are composed of several latents, or of patches, have seams.

    python benchmarks/compose.py [--seed N] [--count N]

Measured are

- windows: the differences between neighbouring pixels over the borders of the windows of panoramas,
  and over the wrap-around of strips and tiles, by the shipped GANs and by small ones of the methods
  r3 and classic, which are trained first;
- patches: the same over the wrap-around of `tile` and of a seamless `texture`;
- masks: whether pictures with an empty mask, and with a full one, are those without a mask, bit by
  bit; and
- the time for pictures of 256 and 512 px on one thread.

A difference over a border is compared with others in the picture: its rank is the share of these
that are smaller. Without seams, ranks are spread evenly, with a mean of 0.5, and 0.05 of them are
above 0.95. GANs draw more edges at some places than at others, above all in the middle, which is
where the next window begins. So windows begin here every 3 of 8 cells instead of every 4, and
borders are compared with columns at the same place in a cell. The wrap-around of panoramas is
compared with the other borders between windows, and that of patches with all other columns or rows.
Names in brackets are for comparison: the wrap-around of pictures that were not made to repeat.

The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.kinds import GanLatent
from artgraph.models.gan.config import GanConfig
from artgraph.models.gan.joined import Grid, draw_windows
from artgraph.models.training.numerics import Numerics
from artgraph.nodes.model_files import shipped_gans
from artgraph.pictures.styles import STYLES, render

NODES = load_nodes()
CELL = 8  # pixels
MOST_MEAN, MOST_ABOVE = 0.55, 0.08  # bars for many ranks; three standard errors are added
MOST_SECONDS = {256: 60.0, 512: 240.0}


def call(name: str, inputs: dict[str, Any], **widgets: Any) -> Any:
    """Returns the first output of a node."""
    spec = NODES[name]
    values, problems = spec.check(widgets)
    assert not problems, problems
    return next(iter(spec(inputs, values, Context.quiet()).values()))


def ranks(image: torch.Tensor, dim: int, borders: list[int], cell: int = 1) -> list[float]:
    """Returns the ranks of the differences after these rows (dim 1) or columns (dim 2).

    The difference after the last one is that of the wrap-around. It is compared with the others at
    the same place in a cell, without `borders`.
    """
    steps = (image.roll(-1, dim) - image).abs().mean((0, 3 - dim, 3))
    inside = torch.ones(len(steps), dtype=torch.bool)
    inside[[*borders, len(steps) - 1]] = False
    found = []
    for border in borders:
        alike = torch.arange(len(steps)) % cell == border % cell
        others = steps[inside & alike]
        found.append(float((others < steps[border]).float().mean()))
    return found


def gans(seed: int) -> Iterator[tuple[str, Any]]:
    """Yields a GAN of each kind."""
    yield from shipped_gans().items()
    art = call("procedural_art", {}, count=128, size=32, seed=seed)
    for method in ("r3", "classic"):
        settings = {"method": method, "steps": 40, "batch": 16, "seed": seed}
        yield f"{method}, 40 steps", call("train_gan", {"dataset": art}, **settings)


def windows(count: int, seed: int) -> Iterator[tuple[str, list[float]]]:
    """Yields ranks over the borders of windows, and over the wrap-around, of each GAN."""
    for name, gan in gans(seed):
        borders, around, plain = [], [], []
        grid = Grid.of(GanConfig.from_dict(gan.config), 1, 24, (False, True))
        grid = replace(grid, step=(3, 3)) if grid.step[1] == 4 else grid
        step, half = grid.step[1] * grid.cell, gan.width // 2
        for number in range(count):
            latent = call("sample_latent", {"gan": gan}, count=24, seed=seed + number)
            given = {"gan": gan, "latent": latent}
            wide = draw_windows(gan.network(), (latent.z, latent.classes), grid, Numerics())
            starts = torch.arange(24) * step
            ends = torch.cat([starts - 1, starts + gan.width - 1]) % wide.shape[2]
            borders += ranks(wide, 2, ends.unique().tolist(), CELL)
            square = call("panorama", given, columns=12, rows=12, repeats="both")
            for dim in (1, 2):
                around += ranks(square, dim, [square.shape[dim] - 1], half)
            strip = call("panorama", given, columns=24)
            plain += ranks(strip, 2, [strip.shape[2] - 1], half)
        yield f"{name}: borders of windows", borders
        yield f"{name}: wrap-around", around
        yield f"({name}: not made to repeat)", plain


def patches(count: int, seed: int) -> Iterator[tuple[str, list[float]]]:
    """Yields ranks over the wrap-around of what is made of the patches of painted pictures."""
    found: dict[str, list[float]] = {}
    for number in range(count):
        for style in STYLES:
            image = torch.from_numpy(render(style, number, 128, 128, seed).copy())[None] / 255
            made = {
                "tile": call("tile", {"image": image}),
                "texture, seamless": call(
                    "texture", {"image": image}, width=128, height=128, seamless=True, seed=seed
                ),
                "(the picture)": image,
            }
            for name, picture in made.items():
                for dim in (1, 2):
                    found.setdefault(name, []).extend(ranks(picture, dim, [127]))
    yield from found.items()


def masks(count: int, seed: int) -> int:
    """Returns the number of pictures that an empty or a full mask changes."""
    wrong = 0
    for _, gan in gans(seed):
        base, second = (
            call("sample_latent", {"gan": gan}, count=count, seed=s) for s in (seed, seed + 1)
        )
        for value, latent in ((0.0, base), (1.0, second)):
            given = {"gan": gan, "base": base, "second": second}
            mask = torch.full((1, 32, 32), value)
            found = call("compose_latents", {**given, "mask": mask})
            whole = call("generate", {"gan": gan, "latent": latent})
            wrong += sum(not torch.equal(a, b) for a, b in zip(found, whole, strict=True))
    return wrong


def seconds(edge: int, seed: int) -> Iterator[tuple[str, float]]:
    """Yields the processor time of each node for a picture of this edge."""
    image = torch.from_numpy(render("voronoi", 0, edge, edge, seed).copy())[None] / 255
    gan = next(iter(shipped_gans().values()))
    latent = call("sample_latent", {"gan": gan}, count=16, seed=seed)
    windows = edge // (gan.width // 2)
    one, two = (GanLatent(latent.z[i : i + 1], latent.classes[i : i + 1]) for i in (0, 1))
    larger = gan
    while larger.width < edge:
        larger = call("grow", {"gan": larger})
    left = call("draw_mask", {})
    size = {"width": edge, "height": edge}
    for name, inputs, widgets in (
        ("texture", {"image": image}, size),
        ("tile", {"image": image}, {}),
        ("reshuffle", {"image": image}, {}),
        ("retarget", {"image": image}, {"width": edge * 3 // 2, "height": edge}),
        ("panorama", {"gan": gan, "latent": latent}, {"columns": windows, "rows": windows}),
        ("compose_latents", {"gan": larger, "base": one, "second": two, "mask": left}, {}),
    ):
        start = time.process_time()
        call(name, inputs, **widgets)
        yield name, time.process_time() - start


def report_ranks(what: Iterator[tuple[str, list[float]]]) -> bool:
    """Print the ranks; returns whether they are within the bars. Names in brackets have none."""
    good = True
    for name, found in what:
        values = torch.tensor(found)
        mean, above = float(values.mean()), float((values > 0.95).float().mean())
        bars = MOST_MEAN + 3 * 0.29 / len(found) ** 0.5, MOST_ABOVE + 3 * 0.22 / len(found) ** 0.5
        within = name.startswith("(") or (mean <= bars[0] and above <= bars[1])
        good &= within
        row = f"{name:44} {mean:5.2f} {above:12.2f} {len(found):6}"
        print(f"{row}   {bars[0]:.2f}, {bars[1]:.2f} {'' if within else 'MISSED'}", flush=True)
    return good


def main() -> int:
    """Measure and print everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=12, help="seeds of each kind of picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'ranks over':44}  mean   above 0.95  count   bars")
    good = report_ranks(windows(options.count, options.seed))
    good &= report_ranks(patches(max(1, options.count // 4), options.seed))
    wrong = masks(options.count, options.seed)
    print(f"pictures that an empty or a full mask changes: {wrong} {'MISSED' if wrong else ''}")
    for edge, most in MOST_SECONDS.items():
        for name, taken in seconds(edge, options.seed):
            print(f"{name}, {edge} px: {taken:.1f} s {'MISSED' if taken > most else ''}")
            good &= taken <= most
    return 0 if good and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
