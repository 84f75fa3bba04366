"""Moving in the latent space of a GAN or a VAE; outputs have the kind of latent of the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import GanLatent, Latent, VaeLatent
from ..contract.widgets import Advanced, Choices
from ..contract.wording import find_name, listed, suggestion

if TYPE_CHECKING:
    from torch import Tensor

Style = Annotated[
    str,
    Field(
        description="Name of a class; each: all classes in turn; mixed: two classes blended in"
        " each picture. If a class has one of these names: class:each, all:each",
        max_length=300,
    ),
]
Method = Annotated[
    Literal["spherical", "linear"],
    Field(description="Path from one latent to another"),
    Choices(
        {
            "spherical": "an arc, which keeps the usual length of random latents",
            "linear": "a straight line",
        }
    ),
]


@node(
    title="Mix latents",
    category="explore",
    words="blend, morph, breed, cross, mixer, average, interpolate, slerp, style mixing,"
    " 混合, 变形, 插值, 杂交",
)
def mix_latents(
    first: Latent,
    second: Latent,
    *,
    amount: Annotated[
        float, Field(ge=0, le=1, description="0: only the first; 1: only the second")
    ] = 0.5,
    method: Annotated[Method, Advanced] = "spherical",
) -> Latent:
    """Mix two batches of latents in pairs.

    If one batch has a single latent, it is mixed with each latent of the other batch.

    Raises: NodeError if the batches differ in length or shape.
    Paper: Shoemake 1985, "Animating rotation with quaternion curves" (spherical).
    """
    import torch

    first, second = _same_form(first, second)
    count = _common_length(first, second)
    return _mix(_repeat(first, count), _repeat(second, count), torch.full((count,), amount), method)


@node(title="Join latents", category="explore", words="concatenate, combine, 连接")
def join_latents(first: Latent, second: Latent) -> Latent:
    """Join two batches of latents into one.

    Raises: NodeError if the latents have different shapes.
    """
    import torch

    first, second = _same_form(first, second)
    z = torch.cat([first.z, second.z])
    if isinstance(first, GanLatent):
        assert isinstance(second, GanLatent)
        classes = torch.cat([first.classes, second.classes])
        if first.shift is None or second.shift is None:
            return GanLatent(z, classes)
        return GanLatent(z, classes, torch.cat([first.shift, second.shift]))
    return VaeLatent(z)


@node(
    title="Latent walk",
    category="explore",
    words="interpolate, interpolation, morph, animation, transition, slerp, 插值, 变形, 过渡",
)
def latent_walk(
    latent: Latent,
    *,
    frames: Annotated[
        int, Field(ge=1, le=1000, description="Steps from each latent to the next")
    ] = 12,
    method: Annotated[Method, Advanced] = "spherical",
    closed: Annotated[bool, Field(description="Return to the first latent at the end")] = False,
    ease: Annotated[bool, Field(description="Slow down near each latent")] = False,
) -> Latent:
    """Walk from each latent to the next in even steps.

    From n latents, the walk makes (n - 1) * frames + 1 latents, or n * frames if it is closed.

    Raises: NodeError if there is only one latent, or if the walk has more than 10,000 steps.
    """
    import torch

    count = len(latent.z)
    if count < 2:
        raise NodeError("a walk needs at least two latents", "wire a larger batch")
    legs = count if closed else count - 1
    if legs * frames >= 10_000:
        raise NodeError(
            f"a walk of {legs * frames} steps is too long",
            "lower `frames`, so that there are fewer than 10,000",
        )
    position = torch.arange(legs * frames + (0 if closed else 1)) / frames
    leg = position.floor().long().clamp(max=legs - 1)
    part = position - leg
    if ease:
        part = part * part * (3 - 2 * part)
    return _mix(_take(latent, leg), _take(latent, (leg + 1) % count), part, method)


def _mix(first: Latent, second: Latent, amount: Tensor, method: str) -> Latent:
    """Returns the latents mixed in pairs; `amount` (N,) in 0..1 is the share of the second."""
    z = _between(first.z, second.z, amount, method)
    if isinstance(first, GanLatent):
        assert isinstance(second, GanLatent)
        classes = _between(first.classes, second.classes, amount, "linear")
        if first.shift is None or second.shift is None:
            return GanLatent(z, classes)
        return GanLatent(z, classes, _between(first.shift, second.shift, amount, "linear"))
    return VaeLatent(z)


def _between(first: Tensor, second: Tensor, amount: Tensor, method: str) -> Tensor:
    """Returns points (N, ...) between two batches, on straight lines or on great circles."""
    import torch

    amount = amount.view(-1, *[1] * (first.ndim - 1))
    straight = torch.lerp(first, second, amount)
    if method == "linear":
        return straight
    dims = tuple(range(1, first.ndim))
    lengths = [
        torch.linalg.vector_norm(x, dim=dims, keepdim=True).clamp_min(1e-8) for x in (first, second)
    ]
    cosine = (first / lengths[0] * (second / lengths[1])).sum(dims, keepdim=True).clamp(-1, 1)
    angle = cosine.acos()
    arc = ((1 - amount) * angle).sin() * first + (amount * angle).sin() * second
    # For equal or opposite directions, the great circle is not defined.
    return torch.where(angle.sin() > 1e-4, arc / angle.sin().clamp_min(1e-4), straight)


def _same_form(first: Latent, second: Latent) -> tuple[Latent, Latent]:
    """Returns both batches with one latent a picture or for each level, and both with a shift.

    They may differ in this: a latent is the same as itself at each level, with a shift of 0.

    Raises: NodeError if they are latents of different models.
    """
    import torch

    if isinstance(first, GanLatent) and isinstance(second, GanLatent):
        ours, theirs = _by_level(first, second), _by_level(second, first)
        if ours.shift is None and theirs.shift is not None:
            ours = replace(ours, shift=torch.zeros(len(ours.z), theirs.shift.shape[1]))
        elif theirs.shift is None and ours.shift is not None:
            theirs = replace(theirs, shift=torch.zeros(len(theirs.z), ours.shift.shape[1]))
        first, second = ours, theirs
    shapes = [_shape(latent) for latent in (first, second)]
    if shapes[0] != shapes[1]:
        raise NodeError(
            f"the latents have different shapes, {shapes[0]} and {shapes[1]}",
            "wire latents of one model",
        )
    return first, second


def _by_level(latent: GanLatent, other: GanLatent) -> GanLatent:
    """Returns latents with one for each level if `other` has that, and is of the same model."""
    times, rest = divmod(other.classes.shape[1], latent.classes.shape[1])
    lengths = latent.z.shape[1], latent.classes.shape[1]
    if rest or (times * lengths[0], times * lengths[1]) != other.lengths[:2]:
        return latent
    return replace(latent, z=latent.z.repeat(1, times), classes=latent.classes.repeat(1, times))


def _shape(latent: GanLatent | VaeLatent) -> tuple[int, ...]:
    """Returns the shape of one latent; for a GAN's, the number of classes is added at the end."""
    if isinstance(latent, GanLatent):
        return latent.lengths if latent.shift is not None else latent.lengths[:2]
    return tuple(latent.z.shape[1:])


def _common_length(first: Latent, second: Latent) -> int:
    counts = {len(first.z), len(second.z)}
    if len(counts - {1}) > 1:
        raise NodeError(
            f"{len(first.z)} and {len(second.z)} latents can't be paired",
            "wire batches of the same length, or a single latent",
        )
    return max(counts)


def _repeat(latent: Latent, count: int) -> Latent:
    import torch

    return latent if len(latent.z) == count else _take(latent, torch.zeros(count).long())


def _take(latent: Latent, indices: Tensor) -> Latent:
    if isinstance(latent, GanLatent):
        shift = None if latent.shift is None else latent.shift[indices]
        return GanLatent(latent.z[indices], latent.classes[indices], shift)
    return VaeLatent(latent.z[indices])


def class_weights(
    names: tuple[str, ...], style: str, ctx: Context, seed: int, index: int
) -> Tensor:
    """Returns the class weights (C,) of picture number `index`; they sum to 1.

    Raises: NodeError if the model does not have the class `style`, or if `style` may mean a class
    as well as all classes.
    """
    import torch

    weights = torch.zeros(len(names))
    chosen = read_style(names, style)
    if chosen == "mixed" and len(names) > 1:
        random = ctx.rng(seed, index, 1)
        first, second = torch.randperm(len(names), generator=random)[:2].tolist()
        share = 0.3 + 0.4 * torch.rand((), generator=random)
        weights[first], weights[second] = share, 1 - share
    elif isinstance(chosen, str):
        weights[index % len(names)] = 1
    else:
        weights[chosen] = 1
    return weights


_WORDS = ("each", "mixed")  # styles that mean all classes
_CLASS, _ALL = "class:", "all:"  # written before a style to say what it means


def read_style(names: tuple[str, ...], style: str) -> str | int:
    """Returns what the widget `style` means: "each", "mixed", or the index of a class.

    Raises: NodeError if it means nothing, or several things.
    """
    word = style.removeprefix(_ALL)
    found = {find_name(style, names)}
    if style.startswith(_CLASS):
        found.add(find_name(style.removeprefix(_CLASS), names))
    classes = sorted(found - {None}, key=str)
    if len(classes) + (word in _WORDS) == 1:
        return word if word in _WORDS else names.index(str(classes[0]))
    if not classes:
        known = f"{'classes are' if len(names) > 1 else 'only class is'} {listed(names)}"
        advice = suggestion(style, names, f"its {known}")
        if advice.startswith("did you mean"):
            advice += f" Its {known}"
        raise NodeError(f"the model has no class {style!r}", advice)
    if style in _WORDS:
        raise NodeError(
            f"{style!r} is a class of this model, and also means all of its classes",
            f"write {_CLASS}{style} for the class, or {_ALL}{style} for all classes",
        )
    what = f"{style!r} has several meanings, as the model has the classes {listed(names)}"
    raise NodeError(what, f"train it with another name of the class {style!r}")
