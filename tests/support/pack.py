"""Nodes for tests: a training, pictures, failures, and a log of the nodes that ran."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from artgraph.api import (
    Choices,
    Context,
    Fallback,
    FileName,
    Files,
    GanLatent,
    Image,
    InputFile,
    InputFolder,
    InputPicture,
    Latent,
    NodeError,
    Number,
    Seed,
    Steps,
    Table,
    Text,
    VaeLatent,
    node,
)

if "CLOCK" in os.environ:  # makes the clock wrong by this number of seconds
    _true_time = time.time
    time.time = lambda: _true_time() + float(os.environ["CLOCK"])


def note(word):
    """Append a line to the file $NOTES, so that a test sees which nodes ran."""
    if "NOTES" in os.environ:
        with Path(os.environ["NOTES"]).open("a") as file:
            file.write(f"{word}\n")


@node(title="Noted", category="test")
def noted(*, value: int | float = 0, name: str = "noted") -> Number:
    """Returns the value, and notes its name."""
    note(name)
    return value


@node(title="Parity", category="test")
def parity(*, value: int = 0) -> Number:
    """Returns 0 for even numbers, 1 for odd ones."""
    note("parity")
    return value % 2


@node(title="Nap", category="test")
def nap(
    value: Number | None = None, *, seconds: float = 0.0, salt: int = 0, name: str = "nap"
) -> Number:
    """Sleep, then return a number that depends on all inputs."""
    note(name)
    time.sleep(seconds)
    return (value or 0) * 31 % 1_000_003 + salt + len(name)


@node(title="Failing", category="test")
def failing(*, how: str = "node") -> Number:
    """Fail in one of several ways."""
    note("failing")
    if how == "node":
        raise NodeError("it is broken", "repair it")
    if how == "memory":
        raise MemoryError
    if how == "kind":
        return "no number"
    raise RuntimeError("a bug\nin two lines")


@node(title="Slow training", category="test", device=True)
def slow_training(
    *,
    steps: Steps = 10,
    rate: Annotated[float, Field(gt=0, le=10)] = 0.1,
    pause: Annotated[float, Field(ge=0, le=10)] = 0.0,
    seed: Seed = 0,
    ctx: Context,
) -> Table:
    """Train one weight on random targets, with the real training loop."""
    import torch

    from artgraph.models.training import loop as training
    from artgraph.models.training.rng import rng

    training.CHECKPOINT_SECONDS = 0.05

    class Walk:
        def __init__(self):
            self.weight = torch.nn.Linear(1, 1)
            torch.nn.init.zeros_(self.weight.weight)
            torch.nn.init.zeros_(self.weight.bias)
            self.adam = torch.optim.Adam(self.weight.parameters(), rate, fused=True)

        def stateful(self):
            return {"weight": self.weight, "adam": self.adam}

        def step(self, step):
            note(f"step {step}")
            time.sleep(pause)
            target = torch.randn(1, generator=rng(seed, step))
            loss = (self.weight(torch.ones(1)) - target).square().sum()
            loss.backward()
            self.adam.step()
            self.adam.zero_grad()
            return {"loss": loss}

        def preview(self):
            return torch.zeros(1, 8, 8, 3, dtype=torch.uint8)

    before = torch.random.get_rng_state()
    walk = Walk()
    torch.random.set_rng_state(before)
    curves = training.train(walk, steps=steps, run=ctx.training_run)
    curves["weight"] = [walk.weight.weight.item()] * len(curves["step"])
    return Table(curves)


@node(title="Big training", category="test", device=True, cpus=2)
def big_training(*, steps: Steps = 10, pause: float = 0.0, ctx: Context) -> Table:
    """The same training, on a machine with two cores."""
    return slow_training(steps=steps, pause=pause, ctx=ctx)


@node(title="Kills", category="test")
def kills() -> Number:
    """End the process, as the system does if the memory is full."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@node(title="Grey", category="test")
def grey(*, level: Annotated[float, Field(ge=0, le=1)] = 0.5, count: int = 1) -> Image:
    """Returns grey pictures of 8 px."""
    import torch

    note("grey")
    return torch.full((count, 8, 8, 3), level)


@node(title="Blacken", category="test")
def blacken(image: Image) -> Image:
    """Change the input in place, although no node should do so."""
    image.zero_()
    return image + 0


@node(title="Mean", category="test")
def mean(image: Image) -> Number:
    """Returns the mean of a picture's values."""
    return round(float(image.mean()), 3)


@node(title="File", category="test")
def save_text(*, text: str = "", name: FileName = "") -> Files:
    """Save a text."""
    note("save_text")
    return Files({(name or "@") + ".txt": text.encode()})


@node(title="Read", category="test")
def read(*, path: InputFile) -> Text:
    """Read a text file."""
    note("read")
    return path.read_text()


class Points(NamedTuple):
    gan: GanLatent
    vae: VaeLatent


@node(title="Points", category="test")
def points() -> Points:
    """Returns latents of both kinds."""
    import torch

    return Points(GanLatent(torch.ones(2, 3), torch.ones(2, 1)), VaeLatent(torch.ones(2, 1, 2, 2)))


@node(title="Double", category="test")
def double(latent: Latent) -> Latent:
    """Returns twice the latent."""
    if isinstance(latent, GanLatent):
        return GanLatent(latent.z * 2, latent.classes)
    return VaeLatent(latent.z * 2)


class Perhaps(NamedTuple):
    left: Number | None
    right: Number | None


@node(title="Perhaps", category="test")
def perhaps(*, side: str = "left") -> Perhaps:
    """Returns one of two outputs."""
    return Perhaps(1 if side == "left" else None, 1 if side == "right" else None)


@node(title="Number file", category="test")
def save_number(value: Number) -> Files:
    """Save a number as a text."""
    return Files({"@.txt": str(value).encode()})


@node(title="Big file", category="test")
def big_file(*, salt: int = 0) -> Files:
    """Save a file of 48 MiB."""
    return Files({"@.bin": bytes([salt % 256]) * (48 << 20)})


@node(title="Slow file", category="test")
def save_slowly(value: Number | None = None, *, seconds: float = 0.0, name: FileName = "") -> Files:
    """Save a number after a while."""
    time.sleep(seconds)
    return Files({(name or "@") + ".txt": str(value).encode()})


@node(title="Little memory", category="test")
def little_memory(*, count: int = 23) -> Number:
    """Process rows on a machine that has memory for five at a time."""
    import torch

    from artgraph.models.training.in_parts import in_parts

    def double(part):
        if len(part) > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return part * 2

    return float(in_parts(double, torch.ones(count), batch=16).sum())


AnyPoint = TypeVar("AnyPoint", GanLatent, VaeLatent)


@node(title="Words", category="test")
def words(
    otherwise: Annotated[Text | None, Fallback] = None,
    fallback: Number | None = None,
    *,
    place: InputFolder | None = None,
) -> Text:
    """Returns the names in a folder, or another text.

    `otherwise` has the role of a fallback. The input called `fallback` does not, because roles do
    not depend on names.
    """
    note("words")
    return otherwise if place is None else " ".join(sorted(p.name for p in place.iterdir()))


@node(title="Look", category="test")
def look(*, portrait: InputPicture | None = None) -> Text:
    """Returns the name of a picture."""
    return "" if portrait is None else portrait.name


@node(title="Join words", category="test")
def join_words(first: Text, second: Text) -> Text:
    """Returns two texts as one."""
    return f"{first} {second}"


@node(title="Chance", category="test")
def chance(
    *,
    dice: Annotated[Seed, Field(description="Which throw it is")] = 0,
    seed: int = 0,
    sides: Annotated[
        Literal["six", "twenty"],
        Field(description="The die"),
        Choices({"six": "a cube", "twenty": "an icosahedron"}),
    ] = "six",
) -> Number:
    """Returns a throw of dice. `dice` has the role of a seed, the widget `seed` does not."""
    return dice * 7 % {"six": 6, "twenty": 20}[sides] + seed


@node(title="Letter", category="test")
def save_letter(*, text: str = "", seconds: float = 0.0, title: FileName = "") -> Files:
    """Save a text after a while, under its title."""
    time.sleep(seconds)
    return Files({(title or "@") + ".txt": text.encode()})


@node(title="Mirror point", category="test")
def mirror_point(point: AnyPoint) -> AnyPoint:
    """Returns the point on the opposite side."""
    return replace(point, z=-point.z)


@node(title="Epochs", category="test")
def epochs() -> Table:
    """Returns curves over a column that is not called `step`."""
    return Table({"loss": [3.0, 2.0, 1.0], "epoch": [1, 2, 4]}, x="epoch")
