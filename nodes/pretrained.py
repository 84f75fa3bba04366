"""Classifiers that others have trained on many photographs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError
from ..contract.file_kinds import kind_of_file
from ..contract.package import LITE0
from ..contract.spec import node
from ..contract.values.models import Classifier
from ..contract.widgets import Advanced, InputFile


@node(
    title="Pretrained classifier",
    category="understand",
    needs=LITE0,
    words="imagenet, efficientnet, dino, features, backbone, 预训练, 特征",
)
def pretrained_classifier(
    *,
    weights: Annotated[
        InputFile | None,
        Field(description="File with the weights of a network; empty: EfficientNet-Lite0"),
        Advanced,
    ] = None,
    ctx: Context,
) -> Classifier:
    """Load a network that was trained on many photographs, such as ImageNet.

    Its features know things: edges, textures, eyes, wheels. Wire it to `start` of
    `train_classifier` to recognise your own classes with few pictures, to `classifier` of
    `train_gan` or `train_vae` to draw things better, or to `nearest_images` to compare pictures by
    what they show.

    Without `weights`, it is EfficientNet-Lite0 with the weights that the extra `pretrained`
    installs. `weights` may be a state dict, .safetensors or .pth, of ResNet, EfficientNet (also
    Lite) or ConvNeXt as timm or torchvision saves it, or of DINOv2 (ViT-S or ViT-B). Which network
    it is, is found by the names and shapes of the weights. If a `config.json` of timm is beside the
    file, the colours are normalised as it says. Only tensors are read, and nothing is executed.

    The classes are numbered as in the file, from `class 0` on; DINOv2 has none. Pictures are
    resized to 224 px for the network.

    Raises: InputError if the file is damaged, or contains code or another network.
    Paper: Tan and Le 2019, "EfficientNet"; He et al. 2016, "Deep residual learning"; Liu et al.
    2022, "A ConvNet for the 2020s"; Oquab et al. 2023, "DINOv2".
    """
    from ..models.pretrained.weights import read_embedded, read_file
    from ..models.training.diverged import UnsuitableError

    try:
        if weights is None:
            found = read_embedded()
        else:
            with weights.open("rb") as file:
                kind = kind_of_file(file.read(1024))
            if kind not in (None, "a Python pickle", "a ZIP archive"):
                raise UnsuitableError(
                    f"{weights.name} is {kind}, not weights of a network",
                    "name a .safetensors or .pth file, or leave `weights` empty",
                )
            found = read_file(weights)
    except UnsuitableError as error:
        raise InputError(str(error), error.advice) from error
    ctx.log(found.line)
    return Classifier(asdict(found.config), found.state)
