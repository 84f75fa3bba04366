"""State dicts of tiny networks, with the names that other programs use."""

import re

import torch


def _norm(random, name, width):
    values = {part: torch.rand(width, generator=random) + 0.5 for part in ("weight", "running_var")}
    values |= {part: torch.randn(width, generator=random) for part in ("bias", "running_mean")}
    values["num_batches_tracked"] = torch.tensor(7)
    return {f"{name}.{part}": value for part, value in values.items()}


def _weight(random, name, *shape, bias=True):
    made = {f"{name}.weight": torch.randn(shape, generator=random) / shape[1] ** 0.5}
    return made | ({f"{name}.bias": torch.randn(shape[0], generator=random)} if bias else {})


def resnet(bottleneck=False, classes=5):
    """Returns a ResNet of four blocks."""
    random = torch.Generator().manual_seed(1)
    state = _weight(random, "conv1", 8, 3, 7, 7, bias=False) | _norm(random, "bn1", 8)
    inputs = 8
    for stage in range(1, 5):
        name, width = f"layer{stage}.0", 4 * stage
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        outputs = 4 * width if bottleneck else width
        widths = [inputs, *[width] * (len(kernels) - 1), outputs]
        for number, kernel in enumerate(kernels):
            shape = widths[number + 1], widths[number], kernel, kernel
            state |= _weight(random, f"{name}.conv{number + 1}", *shape, bias=False)
            state |= _norm(random, f"{name}.bn{number + 1}", shape[0])
        state |= _weight(random, f"{name}.downsample.0", outputs, inputs, 1, 1, bias=False)
        state |= _norm(random, f"{name}.downsample.1", outputs)
        inputs = outputs
    return state | _weight(random, "fc", classes, inputs)


def efficientnet(lite=False):
    """Returns an EfficientNet of seven stages with timm's names; the second has two blocks."""
    random = torch.Generator().manual_seed(2)
    state = _weight(random, "conv_stem", 8, 3, 3, 3, bias=False) | _norm(random, "bn1", 8)
    inputs = 8
    for stage in range(7):
        for block in range(2 if stage == 1 else 1):
            name, outputs = f"blocks.{stage}.{block}", 8 + 4 * stage
            middle = 2 * inputs if stage else inputs
            names = ["conv_pw", "conv_dw", "conv_pwl"] if stage else ["conv_dw", "conv_pw"]
            shapes = [(middle, inputs, 1, 1)] if stage else []
            shapes += [(middle, 1, 3, 3), (outputs, middle, 1, 1)]
            for number, (convolution, shape) in enumerate(zip(names, shapes, strict=True)):
                state |= _weight(random, f"{name}.{convolution}", *shape, bias=False)
                state |= _norm(random, f"{name}.bn{number + 1}", shape[0])
            if not lite:
                state |= _weight(random, f"{name}.se.conv_reduce", 2, middle, 1, 1)
                state |= _weight(random, f"{name}.se.conv_expand", middle, 2, 1, 1)
            inputs = outputs
    state |= _weight(random, "conv_head", 16, inputs, 1, 1, bias=False) | _norm(random, "bn2", 16)
    return state | _weight(random, "classifier", 5, 16)


def torchvision_names(state):
    """Returns an EfficientNet of timm with torchvision's names."""
    renamed = {}
    for name, value in state.items():
        name = re.sub(r"^conv_stem\.", "features.0.0.", name)
        name = re.sub(r"^bn1\.", "features.0.1.", name)
        name = re.sub(r"^conv_head\.", "features.8.0.", name)
        name = re.sub(r"^bn2\.", "features.8.1.", name)
        name = re.sub(r"^classifier\.", "classifier.1.", name)
        if match := re.match(r"blocks\.(\d)\.(\d)\.(.*)", name):
            stage, block, rest = int(match[1]), match[2], match[3]
            parts = (
                ["conv_pw", "conv_dw", "se", "conv_pwl"] if stage else ["conv_dw", "se", "conv_pw"]
            )
            rest = rest.replace("conv_reduce", "fc1").replace("conv_expand", "fc2")
            layer, _, leaf = rest.partition(".")
            if layer.startswith("bn"):
                convolutions = [part for part in parts if part != "se"]
                rest = f"{parts.index(convolutions[int(layer[2]) - 1])}.1.{leaf}"
            else:
                rest = f"{parts.index(layer)}.{'' if layer == 'se' else '0.'}{leaf}"
            name = f"features.{stage + 1}.{block}.block.{rest}"
        renamed[name] = value
    return renamed


def pytorch_names(state):
    """Returns an EfficientNet of timm with the names of efficientnet_pytorch."""
    starts = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    starts["classifier"] = "_fc"
    later = {"conv_pw": "_expand_conv", "conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv"}
    later |= {"bn1": "_bn0", "bn2": "_bn1", "bn3": "_bn2"}
    first = {"conv_dw": "_depthwise_conv", "conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}
    blocks = sorted({tuple(n.split(".")[1:3]) for n in state if n.startswith("blocks.")})
    renamed = {}
    for name, value in state.items():
        start, _, rest = name.partition(".")
        if start != "blocks":
            renamed[f"{starts[start]}.{rest}"] = value
            continue
        stage, block, layer, leaf = rest.split(".", 3)
        names = first if stage == "0" else later
        if layer == "se":
            layer, leaf = leaf.split(".")
            names = {"conv_reduce": "_se_reduce", "conv_expand": "_se_expand"}
        renamed[f"_blocks.{blocks.index((stage, block))}.{names[layer]}.{leaf}"] = value
    return renamed


def convnext():
    """Returns a ConvNeXt of four blocks with timm's names."""
    random = torch.Generator().manual_seed(3)
    widths = (8, 12, 16, 20)
    state = _weight(random, "stem.0", 8, 3, 4, 4) | _layer_norm(random, "stem.1", 8)
    for stage, width in enumerate(widths):
        if stage:
            before = widths[stage - 1]
            state |= _layer_norm(random, f"stages.{stage}.downsample.0", before)
            state |= _weight(random, f"stages.{stage}.downsample.1", width, before, 2, 2)
        name = f"stages.{stage}.blocks.0"
        state[f"{name}.gamma"] = torch.rand(width, generator=random)
        state |= _weight(random, f"{name}.conv_dw", width, 1, 7, 7)
        state |= _layer_norm(random, f"{name}.norm", width)
        state |= _weight(random, f"{name}.mlp.fc1", 4 * width, width)
        state |= _weight(random, f"{name}.mlp.fc2", width, 4 * width)
    state |= _layer_norm(random, "head.norm", widths[-1])
    return state | _weight(random, "head.fc", 5, widths[-1])


def torchvision_convnext(state):
    """Returns a ConvNeXt of timm with torchvision's names."""
    names = {"conv_dw": "block.0", "norm": "block.2", "mlp.fc1": "block.3", "mlp.fc2": "block.5"}
    renamed = {}
    for name, value in state.items():
        name = name.replace("stem.", "features.0.").replace("head.norm", "classifier.0")
        name = name.replace("head.fc", "classifier.2")
        if match := re.match(r"stages\.(\d)\.downsample\.(.*)", name):
            name = f"features.{2 * int(match[1])}.{match[2]}"
        elif match := re.match(r"stages\.(\d)\.blocks\.0\.gamma", name):
            name, value = f"features.{2 * int(match[1]) + 1}.0.layer_scale", value[:, None, None]
        elif match := re.match(r"stages\.(\d)\.blocks\.0\.(.*)\.(\w+)", name):
            name = f"features.{2 * int(match[1]) + 1}.0.{names[match[2]]}.{match[3]}"
        renamed[name] = value
    return renamed


def dinov2(registers=0):
    """Returns a DINOv2 of four blocks and width 64, for pictures of 3x3 patches of 14 px."""
    random = torch.Generator().manual_seed(4)
    state = {"cls_token": torch.randn(1, 1, 64, generator=random)}
    state |= {"pos_embed": torch.randn(1, 10, 64, generator=random)}
    state |= {"mask_token": torch.zeros(1, 64)}
    if registers:
        state["register_tokens"] = torch.randn(1, registers, 64, generator=random)
    state |= _weight(random, "patch_embed.proj", 64, 3, 14, 14)
    for block in range(4):
        name = f"blocks.{block}"
        for part, shape in (("attn.qkv", (192, 64)), ("attn.proj", (64, 64))):
            state |= _weight(random, f"{name}.{part}", *shape)
        for part, shape in (("mlp.fc1", (128, 64)), ("mlp.fc2", (64, 128))):
            state |= _weight(random, f"{name}.{part}", *shape)
        for number in (1, 2):
            state[f"{name}.ls{number}.gamma"] = torch.rand(64, generator=random)
            state |= _layer_norm(random, f"{name}.norm{number}", 64)
    return state | _layer_norm(random, "norm", 64)


def _layer_norm(random, name, width):
    return {
        f"{name}.{part}": torch.rand(width, generator=random) + add
        for part, add in (("weight", 0.5), ("bias", 0))
    }
