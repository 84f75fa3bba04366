"""Finding the latents with which a GAN draws a picture, and the encoder that helps to find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.spec import node
from ..contract.values.alpha import for_model
from ..contract.values.explored import Encoder
from ..contract.values.kinds import GanLatent, Image, Pictures, Table
from ..contract.values.models import Gan
from ..contract.values.pictures import each_part
from ..contract.widgets import Advanced, Alpha, Seed, Steps
from .gan import shipped_judge

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.gan.codes import Points

NAMED = 10  # pictures that a warning names


class TrainedEncoder(NamedTuple):
    """What `train_encoder` returns."""

    encoder: Encoder
    curves: Table


@node(
    title="Train encoder",
    category="train",
    version=2,
    device=True,
    words="inversion, inverter, projector, psp, e4e, stylegan encoder, 训练编码器, 反演",
)
def train_encoder(
    gan: Gan,
    *,
    steps: Steps = 500,
    batch: Annotated[int, Field(ge=1, le=512, description="Pictures in each step"), Advanced] = 16,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedEncoder:
    """Train an encoder for a GAN: it finds the latents of a picture at once.

    It learns from pictures that the GAN draws, so it needs no dataset. `invert` begins its search
    with what the encoder finds. `curves` contains the losses by step, and the mean signal-to-noise
    ratio of the redrawn pictures in dB (`psnr`).

    The encoder belongs to this GAN. It can also be used after the GAN was bent. `save_model` saves
    it, and `load_model` loads it.

    Paper: Zhu et al. 2016, "Generative Visual Manipulation on the Natural Image Manifold"
    (an encoder as the start of a search).
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.encoder_trainee import EncoderSettings
    from ..models.gan.encoder_trainee import train_encoder as train

    trained = train(
        gan.network(ctx.device),
        GanConfig.from_dict(gan.config),
        gan.latents_digest(),
        EncoderSettings(seed, batch),
        ctx.training_run,
        steps=steps,
    )
    return TrainedEncoder(
        Encoder(trained.config.to_dict(), trained.state), Table(dict(trained.curves))
    )


class Inverted(NamedTuple):
    """What `invert` returns."""

    latent: GanLatent
    image: Image
    compared: Image
    table: Table


@node(
    title="Find latents",
    category="explore",
    version=4,
    device=True,
    words="inversion, project, projector, embed, find latent, own picture, photo, edit,"
    " 反演, 投影, 嵌入, 找潜变量",
)
def invert(
    gan: Gan,
    image: Annotated[Pictures, Alpha],
    encoder: Annotated[
        Encoder | None,
        Field(description="An encoder of this GAN, whose latents the search begins with"),
    ] = None,
    *,
    steps: Annotated[
        int, Field(ge=0, le=5000, description="Steps of the search; more find a nearer picture")
    ] = 200,
    seed: Seed = 0,
    ctx: Context,
) -> Inverted:
    """Find the latents with which a GAN draws given pictures.

    The pictures are cropped and resized to the size of the GAN first. The latents can be moved,
    mixed and saved like any others. The search begins with the most similar of 2,048 random
    pictures of the GAN, and with what the `encoder` finds if it is wired. For a GAN of the method
    projected, the search finds a style for each level and the noise maps; for other methods, the
    latent. It compares pixels, and the contrast in small parts, which keeps texture crisp and flat
    parts flat. For pictures that are not redrawn at 30 dB, or whose flat parts have visible errors,
    three times as many steps follow, and again, up to three times, for those below 25.5 dB, as long
    as they come nearer.

    `image` contains the redrawn pictures. `compared` contains, for each picture, the picture as the
    GAN receives it, the redrawn one, and the three most similar of the random pictures. `table` has
    a row for each picture: its number, the `class` of its latents, the signal-to-noise ratio of the
    redrawn picture in dB (`psnr`), and `strangeness`: how far the picture is from the most similar
    one in the features of the shipped classifier, divided by the distance that 98 % of the GAN's
    own pictures do not exceed. Above 1, the picture is outside of what the GAN knows, and a warning
    says so: its latents redraw it, but their neighbours may look broken.

    Raises: NodeError if the encoder is of another GAN.
    Paper: Abdal et al. 2019, "Image2StyleGAN"; Karras et al. 2020, "Analyzing and improving the
    image quality of StyleGAN" (noise maps); Zhu et al. 2016, "Generative visual manipulation on the
    natural image manifold" (encoder).
    """
    import torch

    from ..models.alpha import premultiplied
    from ..models.blocks import fit_middle
    from ..models.gan.api import GanConfig
    from ..models.gan.api import generate as draw
    from ..models.gan.inversion import CANDIDATES, encoded
    from ..models.gan.inversion import invert as search
    from ..models.gan.known import features_of, known_of

    if encoder is not None:
        encoder.check_gan(gan)
    config, network = GanConfig.from_dict(gan.config), gan.network(ctx.device)
    image = for_model(image, gan.has_alpha, "image", ctx.warn)
    fitted = each_part(lambda part: fit_middle(part, gan.height, gan.width), image)
    pictures = premultiplied(fitted.permute(0, 3, 1, 2) * 2 - 1)
    vectors = shipped_judge(ctx.device).vectors
    known = known_of(
        network, config, vectors, ctx.numerics, seed=seed, progress=ctx.part(0, 0.1).progress
    )
    starts = known.starts(pictures, CANDIDATES if encoder is None else 1)
    if encoder is not None:
        starts.append(encoded(encoder.network(ctx.device), network, config, pictures, ctx.numerics))
    found = search(
        network,
        config,
        pictures,
        starts,
        ctx.numerics,
        steps=steps,
        progress=ctx.part(0.1, 1).progress,
    )
    redrawn = draw(network, found.z, found.classes, ctx.numerics, shift=found.shift)
    apart, nearest = known.distances(features_of(pictures, vectors, ctx.numerics))
    near = known.points.rows(nearest.flatten())
    similar = draw(network, near.z, near.classes, ctx.numerics).unflatten(0, nearest.shape)
    compared = torch.cat([fitted[:, None], redrawn[:, None], similar], 1).flatten(0, 1)
    table = _report(gan.classes, fitted, redrawn, found, apart[:, 0] / known.limit)
    _warn_of_strangers(table["strangeness"], ctx)
    return Inverted(GanLatent(*found), redrawn, compared, Table(table))


def _report(
    classes: tuple[str, ...], given: Tensor, redrawn: Tensor, found: Points, strangeness: Tensor
) -> dict[str, list[Any]]:
    """Returns the columns of the table of `invert`."""
    errors = (given - redrawn).square().flatten(1).mean(1).clamp_min(1e-10)
    return {
        "picture": list(range(len(given))),
        "class": [classes[label] for label in found.classes.argmax(1).tolist()],
        "psnr": (-10 * errors.log10()).tolist(),
        "strangeness": strangeness.tolist(),
    }


def _warn_of_strangers(strangeness: list[float], ctx: Context) -> None:
    """Warns of pictures that the GAN does not know."""
    outside = [number for number, value in enumerate(strangeness) if value > 1]
    if not outside:
        return
    names = ", ".join(map(str, outside[:NAMED])) + (", ..." if len(outside) > NAMED else "")
    which = f"{len(outside)} of {len(strangeness)} pictures ({names}) are"
    ctx.warn(
        f"{which if len(strangeness) > 1 else 'the picture is'} outside of what this GAN knows"
        f" (strangeness up to {max(strangeness):.1f}, 1 is the limit) - compare with the three"
        " nearest pictures that it knows in the output `compared`, or train it on such pictures"
    )
