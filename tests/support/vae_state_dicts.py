"""State dicts of tiny VAEs, with the names that other programs use."""

import json
import re

import torch
from safetensors.torch import save_file

WIDTHS, GROUPS = (8, 8, 16, 16), 4


class _Layers(dict):
    """Weights by name, drawn in the order in which they are added."""

    def __init__(self, seed):
        self._random = torch.Generator().manual_seed(seed)

    def add(self, name, *shape, bias=True):
        scale = max(1, torch.Size(shape[1:]).numel()) ** -0.5
        self[f"{name}.weight"] = torch.randn(shape, generator=self._random) * scale
        if bias:
            self[f"{name}.bias"] = torch.randn(shape[0], generator=self._random) / 4

    def block(self, name, inputs, outputs):
        self.add(f"{name}.norm1", inputs)
        self.add(f"{name}.conv1", outputs, inputs, 3, 3)
        self.add(f"{name}.norm2", outputs)
        self.add(f"{name}.conv2", outputs, outputs, 3, 3)
        if inputs != outputs:
            self.add(f"{name}.conv_shortcut", outputs, inputs, 1, 1)

    def middle(self, name, width):
        self.block(f"{name}.resnets.0", width, width)
        self.block(f"{name}.resnets.1", width, width)
        self.add(f"{name}.attentions.0.group_norm", width)
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            self.add(f"{name}.attentions.0.{layer}", width, width)


def autoencoder_kl(channels=4, widths=WIDTHS):
    """Returns an AutoencoderKL with the names of diffusers."""
    state, last = _Layers(1), widths[-1]
    state.add("encoder.conv_in", widths[0], 3, 3, 3)
    state.add("decoder.conv_in", last, channels, 3, 3)
    for level, width in enumerate(widths):
        before = widths[max(0, level - 1)]
        state.block(f"encoder.down_blocks.{level}.resnets.0", before, width)
        above = widths[::-1][level]
        state.block(f"decoder.up_blocks.{level}.resnets.0", widths[::-1][max(0, level - 1)], above)
        state.block(f"decoder.up_blocks.{level}.resnets.1", above, above)
        if level < len(widths) - 1:
            state.add(f"encoder.down_blocks.{level}.downsamplers.0.conv", width, width, 3, 3)
            state.add(f"decoder.up_blocks.{level}.upsamplers.0.conv", above, above, 3, 3)
    for part, width, outputs in (("encoder", last, 2 * channels), ("decoder", widths[0], 3)):
        state.middle(f"{part}.mid_block", last)
        state.add(f"{part}.conv_norm_out", width)
        state.add(f"{part}.conv_out", outputs, width, 3, 3)
    state.add("quant_conv", 2 * channels, 2 * channels, 1, 1)
    state.add("post_quant_conv", channels, channels, 1, 1)
    return dict(state)


def original_names(state):
    """Returns an AutoencoderKL of diffusers with the names of the original program."""
    parts = {
        "conv_norm_out": "norm_out",
        "downsamplers.0": "downsample",
        "upsamplers.0": "upsample",
        "conv_shortcut": "nin_shortcut",
        "mid_block.resnets.0": "mid.block_1",
        "mid_block.resnets.1": "mid.block_2",
        "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
        "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
        "mid_block.attentions.0.to_": "mid.attn_1.",
        "down_blocks": "down",
        "resnets": "block",
    }
    renamed = {}
    for name, value in state.items():
        for theirs, original in parts.items():
            name = name.replace(theirs, original)
        name = re.sub(r"up_blocks\.(\d)", lambda match: f"up.{3 - int(match[1])}", name)
        if "attn_1" in name and value.ndim == 2:
            value = value[..., None, None]
        renamed[name] = value
    return renamed


def taesd(channels=4, width=8):
    """Returns the encoder and the decoder of a TAESD."""
    encoder, decoder = _Layers(2), _Layers(3)

    def block(state, name):
        for number in (0, 2, 4):
            state.add(f"{name}.conv.{number}", width, width, 3, 3)

    encoder.add("0", width, 3, 3, 3)
    block(encoder, "1")
    for level in range(3):
        encoder.add(str(2 * level + 2), width, width, 3, 3, bias=False)
        block(encoder, str(2 * level + 3))
    encoder.add("8", channels, width, 3, 3)
    decoder.add("1", width, channels, 3, 3)
    for level in range(3):  # a block, an enlargement without weights, a convolution
        block(decoder, str(3 * level + 3))
        decoder.add(str(3 * level + 5), width, width, 3, 3, bias=False)
    block(decoder, "12")
    decoder.add("13", 3, width, 3, 3)
    return dict(encoder), dict(decoder)


def autoencoder_tiny():
    """Returns the same network with the names of AutoencoderTiny of diffusers."""
    encoder, decoder = taesd()

    def earlier(name):
        number, rest = name.split(".", 1)
        return f"decoder.layers.{int(number) - 1}.{rest}"

    return {f"encoder.layers.{name}": value for name, value in encoder.items()} | {
        earlier(name): value for name, value in decoder.items()
    }


def write(folder, state, **config):
    """Write an AutoencoderKL as diffusers does; returns the path of its weights."""
    folder.mkdir(exist_ok=True)
    settings = {"_class_name": "AutoencoderKL", "norm_num_groups": GROUPS, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    save_file(state, folder / "diffusion_pytorch_model.safetensors")
    return folder / "diffusion_pytorch_model.safetensors"
