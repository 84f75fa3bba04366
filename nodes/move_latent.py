"""Moving latents of a GAN along directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.explored import Directions
from ..contract.values.kinds import GanLatent, Table
from ..contract.values.models import Gan
from ..contract.widgets import Advanced
from ..contract.wording import chosen_names, listed
from .directions import read_moving, styles_of
from .edit_gan import Levels

if TYPE_CHECKING:
    from torch import Tensor

MOST = 4096  # latents of a result


class Moved(NamedTuple):
    """What `move_latent` returns."""

    latent: GanLatent
    table: Table


@node(
    title="Move latents",
    category="explore",
    device=True,
    words="edit, slider, attribute, ganspace, sefa, direction, strength, steer,"
    " 移动, 滑块, 编辑, 属性",
)
def move_latent(
    gan: Gan,
    latent: GanLatent,
    directions: Directions,
    *,
    direction: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="Name or number (from 1) of a direction, or several, separated by commas;"
            " or all",
        ),
    ] = "1",
    strength: Annotated[
        float, Field(ge=-20, le=20, description="How far; below 0 the other way, 0: not at all")
    ] = 2.0,
    columns: Annotated[
        int,
        Field(ge=1, le=64, description="Pictures of each direction, up to `strength`; 1: only it"),
    ] = 1,
    both_ways: Annotated[
        bool, Field(description="The first of several is at minus `strength`; otherwise at 0")
    ] = True,
    levels: Annotated[Levels, Advanced] = "all",
    ctx: Context,
) -> Moved:
    """Move latents of a GAN along directions of `latent_directions`.

    Each latent gives a batch of all directions in turn, and of each direction all its strengths
    from the lowest to the highest: a row of a sheet with as many columns. With one direction and
    one column, the result has as many latents as the input. At strength 0 the styles of a picture
    stay as they are, to the bit. `table` has a row for each of them, with the name of its `move`,
    such as `component 1 +2`, the number of the `latent`, the `direction` and the `strength`: wire
    it to `labels` of `image_grid`.

    For a GAN of the method projected, only the styles of the chosen `levels` move, and the noise
    stays. For other methods, `levels` must be all.

    Raises: NodeError if the latents or directions are of another GAN, if there is no such
    direction, and for more than 4,096 latents.
    Paper: Härkönen et al. 2020, "GANSpace" (directions at some levels).
    """
    import torch

    from ..models.gan.api import GanConfig
    from ..models.gan.directions import moved

    directions.check_gan(gan)
    config, network = GanConfig.from_dict(gan.config), gan.network(ctx.device)
    chosen = _chosen(direction, directions.names)
    moving = read_moving(levels, config)
    strengths = _strengths(strength, columns, both_ways)
    times = len(chosen) * columns
    if len(latent.z) * times > MOST:
        raise NodeError(
            f"{len(latent.z) * times} latents are too many, at most {MOST} are possible",
            "choose fewer directions, or lower `columns`",
        )
    styles = styles_of(gan, network, latent).cpu()
    rows = torch.arange(len(latent.z)).repeat_interleave(times)
    result = _rows(latent, rows)
    table = _table(len(latent.z), [directions.names[row] for row in chosen], strengths)
    if not any(strengths):
        return Moved(result, table)
    changes = torch.zeros(len(latent.z), times, *styles.shape[1:])
    for number, (row, value) in enumerate((row, value) for row in chosen for value in strengths):
        for level in moving if config.style else [0]:
            changes[:, number, level] = moved(
                styles[:, level], directions.vectors[row], value, directions.frame
            )
    change = changes.flatten(0, 1).flatten(1)
    if config.style:
        shift = change if result.shift is None else result.shift + change
        return Moved(GanLatent(result.z, result.classes, shift), table)
    z = torch.cat([result.z[:, : config.latent] + change, result.z[:, config.latent :]], 1)
    return Moved(GanLatent(z, result.classes), table)


def _table(latents: int, names: list[str], strengths: list[float]) -> Table:
    """Returns the table of `move_latent`."""
    rows = [(n, name, value) for n in range(latents) for name in names for value in strengths]
    return Table(
        {
            "move": [f"{name} {value:+.3g}" if value else f"{name} 0" for _, name, value in rows],
            "latent": [number for number, _, _ in rows],
            "direction": [name for _, name, _ in rows],
            "strength": [value for _, _, value in rows],
        }
    )


def _rows(latent: GanLatent, rows: Tensor) -> GanLatent:
    shift = None if latent.shift is None else latent.shift[rows]
    return GanLatent(latent.z[rows], latent.classes[rows], shift)


def _strengths(strength: float, columns: int, both_ways: bool) -> list[float]:
    """Returns the strengths of the columns, the last of which is `strength`."""
    if columns == 1:
        return [strength]
    first = -strength if both_ways else 0.0
    shares = [number / (columns - 1) for number in range(columns)]
    return [first + (strength - first) * share for share in shares]


def _chosen(text: str, names: tuple[str, ...]) -> list[int]:
    """Returns the rows of the directions that a text names. Raises: NodeError."""
    if text.strip() == "all":
        return [*range(len(names))]
    numbers = {str(row + 1): row for row in range(len(names)) if str(row + 1) not in names}
    choices = {**{name: row for row, name in enumerate(names)}, **numbers}
    rows = [choices[name] for name in chosen_names(text, choices, "there is no direction")]
    if not rows:
        raise NodeError("`direction` names no direction", f"name one of {listed(names)}")
    return rows
