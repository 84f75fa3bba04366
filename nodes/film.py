"""Pictures of a film as a dataset."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.aspects import nearest_common, shape_of
from ..contract.context import Context
from ..contract.errors import InputError, NodeError, unreadable
from ..contract.package import PYAV
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.widgets import Advanced, Choices, Fallback, InputFilm

if TYPE_CHECKING:
    from ..pictures.encoding import Pixels
    from ..pictures.film import Film, Shown
    from ..pictures.film_moments import Scenes

FILM = "film"  # the only class if scenes are not classes, and the first word of names
_MOST_BYTES = 1 << 32  # of the pictures of a dataset
_ENDLESS = 1e9  # seconds: the end of a film that does not say how long it lasts
_CUT_SHORT = 0.5  # seconds that may be missing at the end of a film


@node(
    title="Load video",
    category="prepare",
    needs=PYAV,
    words="film, movie, video, mp4, frames, extract frames, 视频, 电影, 帧",
)
def load_video(
    fallback: Annotated[Dataset | None, Fallback] = None,
    *,
    path: Annotated[
        InputFilm | None,
        Field(description="Film such as MP4, MOV, WebM, MKV or GIF; empty: use the fallback"),
    ] = None,
    choose: Annotated[
        Literal["interval", "sharpest", "scenes"],
        Field(description="Which pictures of the film to use"),
        Choices(
            {
                "interval": "one picture every so many seconds",
                "sharpest": "the sharpest picture of each stretch of so many seconds",
                "scenes": "some pictures of each scene",
            }
        ),
    ] = "interval",
    every: Annotated[
        float, Field(ge=0.01, le=3600, description="Seconds from one picture to the next")
    ] = 1.0,
    per_scene: Annotated[
        int,
        Field(ge=1, le=100, description="Pictures of each scene, if scenes are chosen"),
        Advanced,
    ] = 1,
    start: Annotated[
        float, Field(ge=0, le=360_000, description="Second to begin at"), Advanced
    ] = 0.0,
    end: Annotated[
        float,
        Field(ge=0, le=360_000, description="Second to stop at; 0: the end of the film"),
        Advanced,
    ] = 0.0,
    limit: Annotated[int, Field(ge=1, le=100_000, description="Pictures at most"), Advanced] = 1000,
    classes: Annotated[
        Literal["film", "scenes"],
        Field(description="What the classes are"),
        Choices({"film": "one class for the whole film", "scenes": "each scene is a class"}),
        Advanced,
    ] = "film",
    size: Annotated[
        int, Field(ge=8, le=1024, description="Edge of a square of about the same area in pixels")
    ] = 64,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="What to do with a picture of other proportions"),
        Choices(
            {
                "crop": "use only the middle",
                "pad": "add white edges",
                "stretch": "change its proportions",
            }
        ),
        Advanced,
    ] = "crop",
    aspect: Annotated[
        str,
        Field(max_length=20, description="Width to height, such as 3:2; auto: as the film"),
        Advanced,
    ] = "auto",
    ctx: Context,
) -> Dataset:
    """Load pictures of a film as a dataset; their names are times, such as `film 00:01:23.400`.

    MP4, MOV, WebM, Matroska, AVI, MPEG, FLV, Ogg and WMV files can be read, and animated GIF, WebP
    and PNG files. Nothing but the film itself is opened. Needs the extra `film`.

    A picture is turned upright, its pixels are made square, and its colours are converted from the
    film's matrix and range to sRGB. A picture that is shown at several of the times is used once.
    All pictures get the same shape, as with `load_dataset`; with the aspect auto, it is that of the
    film, rounded to 1:1, 5:4, 4:3, 3:2, 16:9, 2:1 or 3:1, upright or wide.

    A new scene begins at a cut, and slow fades are not found. Only the interval does without
    decoding the whole film: it looks up times that are more than two seconds apart.

    Of a film that is damaged or cut short, what can be decoded is used, and a warning says what is
    missing. It also says if a film is interlaced, since its rows are then used as they are.

    Raises: InputError if the file is not a film or none of its pictures can be decoded; NodeError
    for an aspect that is not between 1:4 and 4:1, or for more than 4 GiB of pictures.
    """
    import numpy as np

    from ..pictures.film_moments import find_scenes, sharpest, shown_at, steps
    from ..pictures.reading import UnreadableError

    if path is None:
        if fallback is None:
            raise InputError("no film is given", "set `path`, or wire `fallback`")
        return fallback
    if 0 < end <= start:
        raise NodeError(
            f"`end` is {end:g}, and `start` is {start:g}", "raise `end`, or set it to 0"
        )
    name = path.name.encode(errors="replace").decode()
    notes: list[str] = []
    try:
        with _opened(path, notes) as film:
            if film.duration is not None and start >= film.duration:
                lasts = f"{name!r} lasts {film.duration:.3f} seconds, and `start` is {start:g}"
                raise InputError(lasts, "lower `start`")
            window = start, end or film.duration or _ENDLESS
            shape = _shape(film, size, aspect, limit, ctx)
            scenes = None
            if "scenes" in (choose, classes):
                scenes = find_scenes(film, *window, _watch(ctx.part(0, 0.5), *window))
                ctx = ctx.part(0.5, 1)
            watch = _watch(ctx, *window)
            if choose == "sharpest":
                chosen = sharpest(film, *window, every, watch)
            elif choose == "scenes" and scenes:
                chosen = shown_at(film, scenes.times(per_scene))
            else:
                chosen = shown_at(film, steps(*window, every))
            taken = _Taken(np.empty((limit, *shape, 3), np.uint8))
            for shown in itertools.islice(chosen, limit + 1):
                watch(shown.time)
                taken.add(shown, fit)
            if not taken.times:
                what = f"{name!r} shows no picture after second {start:g}"
                raise InputError(what, "lower `start`")
            notes += _missing(film, taken, limit)
    except UnreadableError as error:
        raise InputError(f"can't read {name!r}: {error}", error.advice) from error
    except OSError as error:
        raise unreadable(path, error) from error
    dataset = taken.dataset(scenes if classes == "scenes" else None)
    _report(name, dataset, scenes, taken.change(fit), notes, ctx)
    return dataset


class _Taken:
    """The pictures of a film that are used.

    pixels: uint8 (limit, H, W, 3), of which as many are filled as there are times.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.times: list[float] = []
        self.is_full = False  # whether there is one more picture than fits
        self.is_interlaced = False
        self._changed = 0.0  # sum of the shares that are cropped or padded

    def add(self, shown: Shown, fit: Literal["crop", "pad", "stretch"]) -> None:
        from ..pictures.fitting import fitted

        if len(self.times) == len(self.pixels):
            self.is_full = True
            return
        _, height, width, _ = self.pixels.shape
        picture = fitted(shown.picture(), height, width, fit)
        self.pixels[len(self.times)] = picture.pixels
        self._changed += picture.share
        self.is_interlaced |= shown.is_interlaced
        self.times.append(shown.time)

    def change(self, fit: str) -> str:
        """Returns how much is cut off or added, for people; empty if that is almost nothing."""
        share = self._changed / len(self.times)
        what = "cut off" if fit == "crop" else "white border"
        return f"{share:.0%} of the area is {what}" if share >= 0.005 else ""

    def dataset(self, scenes: Scenes | None) -> Dataset:
        """Returns the pictures as a dataset.

        scenes: if given, each scene that has pictures is a class.
        """
        import torch

        from ..pictures.film import clock

        numbers = [scenes.number(time) if scenes else 0 for time in self.times]
        used = sorted(set(numbers))
        classes = tuple(f"scene {number + 1:03}" if scenes else FILM for number in used)
        labels = torch.tensor([used.index(number) for number in numbers], dtype=torch.int64)
        images = torch.from_numpy(self.pixels[: len(self.times)])
        return Dataset(images, labels, classes, tuple(f"{FILM} {clock(t)}" for t in self.times))


def _opened(path: Path, notes: list[str]) -> Film:
    """Returns the film in a file; what is only nearly right is added to `notes`."""
    from ..pictures.film_animation import AnimationFile, is_animation
    from ..pictures.film_file import FilmFile

    return AnimationFile(path, notes.append) if is_animation(path) else FilmFile(path, notes.append)


def _watch(ctx: Context, start: float, end: float) -> Callable[[float], None]:
    """Returns what reports how far a film is read."""
    length = max(1e-3, end - start) if end < _ENDLESS else 3600.0

    def watch(time: float) -> None:
        ctx.progress(min(max(0.0, time - start), length), length)

    return watch


def _shape(film: Film, size: int, aspect: str, limit: int, ctx: Context) -> tuple[int, int]:
    """Returns height and width of the pictures, and reports what `auto` means for this film."""
    from ..models.configs import size_text

    common = nearest_common(film.size[0] / film.size[1]) if aspect == "auto" else aspect
    shape = shape_of(size, common)
    if aspect == "auto":
        shown = f"the film has {film.size[0]} x {film.size[1]} pixels"
        ctx.log(f"{shown}, so they are loaded as {size_text(*shape)} ({common})")
    if limit * math.prod(shape) * 3 > _MOST_BYTES:
        pictures = f"{limit} pictures of {size_text(*shape)}"
        raise NodeError(f"{pictures} need more than 4 GiB", "lower `size` or `limit`")
    return shape


def _missing(film: Film, taken: _Taken, limit: int) -> list[str]:
    """Returns what of the film is not used, as sentences."""
    from ..pictures.film import clock

    notes = []
    if taken.is_full:
        last = clock(taken.times[-1])
        notes.append(
            f"only the first {limit} pictures are used, up to {last} - raise `limit`, or choose"
            " fewer pictures"
        )
    if film.left_out():
        notes.append(f"left out: {film.left_out()}")
    if film.ended is not None and film.ended < (film.duration or 0) - _CUT_SHORT:
        lasts = clock(film.duration or 0)
        notes.append(f"its pictures end at {clock(film.ended)}, although it should last {lasts}")
    if taken.is_interlaced:
        notes.append("it is interlaced, so what moves has combs - deinterlace a copy of it")
    return notes


def _report(
    name: str, dataset: Dataset, scenes: Scenes | None, change: str, notes: list[str], ctx: Context
) -> None:
    """Show in one line what is used; as a warning if something is not as it should be."""
    from ..pictures.class_doubts import counted

    line = counted(len(dataset), "picture", "pictures")
    if scenes:
        line += f" of {counted(len(scenes.begins), 'scene', 'scenes')}"
    if change:
        line += f", {change}"
    if notes:
        ctx.warn("; ".join([f"{name!r}: {line}", *notes]))
    else:
        ctx.log(line)
