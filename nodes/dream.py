"""Dreams, films of dreams, and pictures of what a network responds to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Image, Table
from ..contract.values.models import Classifier
from ..contract.widgets import Advanced, Seed
from ..contract.wording import find_name, listed

if TYPE_CHECKING:
    from ..models.repaint.responses import Response

MOST_PIXELS = 1 << 22  # of a picture that is dreamt
MOST_BYTES = 1 << 31  # of the pictures of a film in memory
MOST_SEEN = 256  # channels or classes of which pictures are made at once

Level = Annotated[
    int | None,
    Field(
        ge=1,
        le=8,
        description="Which feature maps: 1 has fine lines, higher ones have parts of things; empty:"
        " the last but one",
    ),
]
What = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="What the network shall see: all, numbers of feature maps such as 3 or 1-8, or"
        " the name of a class",
    ),
]
Octaves = Annotated[
    int,
    Field(ge=1, le=12, description="Sizes in which it is dreamt: more give larger shapes"),
    Advanced,
]
Strength = Annotated[float, Field(ge=0, le=5, description="0 changes nothing, and 1 is usual")]
Jitter = Annotated[
    int, Field(ge=0, le=128, description="Pixels by which each step shifts the picture"), Advanced
]
Network = Annotated[
    Classifier | None,
    Field(description="The network that dreams; unwired: the classifier that comes with artgraph"),
]


@node(
    title="Deep dream",
    category="repaint",
    device=True,
    words="deepdream, hallucinate, inceptionism, trippy, psychedelic, 深梦, 迷幻, 幻觉",
)
def deep_dream(
    image: Image,
    classifier: Network = None,
    *,
    what: What = "all",
    level: Level = None,
    strength: Strength = 1.0,
    steps: Annotated[int, Field(ge=1, le=200, description="Steps in each size")] = 10,
    octaves: Octaves = 4,
    jitter: Jitter = 16,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Change pictures so that a network sees more of what it knows: a dream.

    A `pretrained_classifier` sees eyes, fur and buildings; the classifier that comes with artgraph
    sees the styles that it was trained on; one of yours sees what your pictures have. With the name
    of a class, the pictures become more like this class, and `level` is not used.

    Raises: NodeError for a class or a level that the network does not have, for a classifier of the
    classic method, and for pictures of more than 4 million pixels.
    Source: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks".
    """
    from ..models.repaint.dream import DreamSettings, dream

    _check_pixels(image)
    response = _response(classifier, what, level, ctx)
    settings = DreamSettings(seed, steps, octaves, strength, jitter)
    if strength == 0:
        return image.clone()
    planes = image.permute(0, 3, 1, 2) * 2 - 1
    return _as_image(dream(planes, response, settings, ctx.numerics, ctx.progress))


@node(
    title="Dream film",
    category="repaint",
    device=True,
    words="deepdream, zoom, endless zoom, fly, tunnel, hallucinate, 深梦, 缩放, 无限缩放, 隧道",
)
def dream_film(
    image: Image,
    classifier: Network = None,
    *,
    frames: Annotated[int, Field(ge=2, le=2000, description="Pictures of the film")] = 48,
    zoom: Annotated[
        float, Field(ge=0.8, le=1.25, description="Enlargement from one picture to the next")
    ] = 1.04,
    turn: Annotated[
        float, Field(ge=-45, le=45, description="Degrees from one picture to the next")
    ] = 0.5,
    what: What = "all",
    level: Level = None,
    strength: Strength = 1.0,
    steps: Annotated[int, Field(ge=1, le=50, description="Steps of each picture and size")] = 3,
    octaves: Octaves = 2,
    jitter: Jitter = 16,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Make a film that falls into a dream: each picture is a dream of the enlarged one before.

    The first picture of the film is `image`. More `frames` continue the film, and do not change its
    beginning. Wire the film to `save_video` or `save_animation`.

    Raises: NodeError unless `image` is one picture, if the film needs more than 2 GiB, and as
    `deep_dream`.
    Source: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks".
    """
    import torch

    from ..models.repaint.dream import DreamSettings, Flight, dream_film

    if len(image) != 1:
        raise NodeError(
            f"a film begins with one picture, not {len(image)}", "choose one with pick_images"
        )
    _check_pixels(image)
    if frames * image.nbytes > MOST_BYTES:
        raise NodeError(
            f"{frames} pictures of this size need more than 2 GiB",
            "lower `frames`, or make the picture smaller with resize_image",
        )
    response = _response(classifier, what, level, ctx)
    settings = DreamSettings(seed, steps, octaves, strength, jitter)
    film = torch.empty(frames, *image.shape[1:])
    dreams = dream_film(
        image.permute(0, 3, 1, 2) * 2 - 1,
        frames,
        Flight(zoom, turn),
        response,
        settings,
        ctx.numerics,
        ctx.progress,
    )
    for number, picture in enumerate(dreams):
        film[number] = _as_image(picture)[0] if number else image[0]
    return film


class Visualised(NamedTuple):
    """What `feature_visualisation` returns."""

    image: Image
    table: Table


@node(
    title="Feature visualisation",
    category="understand",
    device=True,
    words="what does it see, neuron, channel, activation, lucid, interpret, explain, visualization,"
    " 特征可视化, 神经元, 解释",
)
def feature_visualisation(
    classifier: Network = None,
    *,
    what: Annotated[
        str,
        Field(
            min_length=1,
            max_length=300,
            description="Numbers of feature maps such as 3 or 1-8; the name of a class; or classes,"
            " for all of them",
        ),
    ] = "1-16",
    level: Level = None,
    size: Annotated[int, Field(ge=32, le=512, description="Edge of the pictures in pixels")] = 128,
    steps: Annotated[int, Field(ge=1, le=4000, description="Optimisation steps")] = 128,
    seed: Seed = 0,
    ctx: Context,
) -> Visualised:
    """Make pictures of what a network responds to: one for each of its feature maps or classes.

    The pictures begin as noise, and are changed until the response is strong, while they are
    shifted, scaled and turned a little. `table` names them: `image` (counted from 0) and `what`.
    Wire it to `labels` of `image_grid`.

    Raises: NodeError for what the network does not have, for a classifier of the classic method,
    and for more than 256 pictures.
    Paper: Olah et al. 2017, "Feature visualization".
    """
    from ..models.repaint.visualise import visualise

    response = _response(classifier, what, level, ctx)
    if len(response.channels) > MOST_SEEN:
        raise NodeError(
            f"{len(response.channels)} pictures are too many at once",
            f"name at most {MOST_SEEN} of them, such as 1-{MOST_SEEN}",
        )
    planes = visualise(response, size, steps, seed, ctx.numerics, ctx.progress)
    if response.level is None:
        names = [_network(classifier).classes[index] for index in response.channels]
    else:
        names = [f"map {index + 1}" for index in response.channels]
    return Visualised(_as_image(planes), Table({"image": [*range(len(names))], "what": [*names]}))


def _network(classifier: Classifier | None) -> Classifier:
    from .model_files import shipped_classifier

    return classifier or shipped_classifier()


def _response(
    classifier: Classifier | None, what: str, level: int | None, ctx: Context
) -> Response:
    """Returns what the network responds to. Raises: NodeError if it does not have it."""
    import torch

    from ..models.gan.levels import read_numbers
    from ..models.repaint.responses import Response

    network, name = _network(classifier), what.strip()
    features = network.features(ctx.device)
    known = find_name(name, network.classes)
    if known is not None or name == "classes":
        network.check_classes()
        found = [network.classes.index(str(known))] if known else [*range(len(network.classes))]
        return Response(network.network(ctx.device), None, found)
    with torch.no_grad():
        maps = features(torch.zeros(1, 3, 64, 64, device=ctx.device))
    place = max(0, len(maps) - 2) if level is None else level - 1
    if place >= len(maps):
        raise NodeError(
            f"this network has {len(maps)} levels of feature maps, not {level}",
            f"set `level` from 1 to {len(maps)}",
        )
    if not any(letter.isdigit() for letter in name) and name != "all":
        classes = f" only {listed(network.classes)}" if network.classes else " none at all"
        raise NodeError(
            f"the network has no class {what!r},{classes}", "name one of them, or set `what: all`"
        )
    with advised("write all, or numbers such as 1-8"):
        channels = read_numbers(name, maps[place].shape[1], "feature map")
    return Response(features, place, channels)


def _check_pixels(image: Image) -> None:
    height, width = image.shape[1:3]
    if height * width > MOST_PIXELS:
        raise NodeError(
            f"a picture of {width} x {height} pixels is too large to dream",
            "resize it to at most 4 million pixels with resize_image",
        )


def _as_image(planes: Image) -> Image:
    """Returns pictures (N, 3, H, W) in -1..1 as an image."""
    return planes.add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
