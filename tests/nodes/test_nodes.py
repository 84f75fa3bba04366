"""One test walks every node: it runs small, keeps its promises, and repeats itself to the bit."""

import random
from functools import cache

import numpy as np
import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes

NODES = {k: s for k, s in load_nodes().items() if s.function.__module__.startswith("artgraph.")}
SMALL = {
    "count": 16,
    "size": 32,
    "steps": 2,
    "batch": 8,
    "frames": 3,
    "width": 256,
    "height": 400,
}
OWN = {
    "crop_picture": {"width": 0, "height": 0},
    "find_edges": {"width": 1.0},
    "prune_classes": {"keep": "mondrian"},
    "feature_visualisation": {"what": "1-2", "level": 1},
    "texture": {"width": 40, "height": 32},
    "retarget": {"width": 40, "height": 32},
    "draw_mask": {"width": 40, "height": 32},
    "variation": {"count": 2},
    "latent_directions": {"count": 2},
}  # not those of SMALL
FEW = {  # pictures of nodes that accept a single one, or are slow
    "dream_film": 1,
    **dict.fromkeys(("invert", "reshuffle", "retarget", "style_transfer", "texture", "tile"), 2),
    "variation": 2,
}
WIRED = {  # inputs that are wired though they are optional, or not to any table, by kind of value
    "save_palette": {"palette": "palette"},
    "load_image": {"fallback": "image"},
    "load_dataset": {"fallback": "dataset"},
    "stream_dataset": {"fallback": "dataset"},
    "load_video": {"fallback": "dataset"},
    "cut_pieces": {"fallback": "dataset"},
    "train_gan": {"classifier": "classifier"},  # or it trains a network of its own for features
    # These need a GAN whose levels have styles, noise and classes.
    "mix_styles": {"gan": "projected_gan", "coarse": "projected_latent"},
    "vary_noise": {"gan": "projected_gan", "latent": "projected_latent"},
    "prune_classes": {"gan": "projected_gan"},
    "grow": {"gan": "projected_gan"},
}


def run(name, **given):
    return NODES[name](*prepared(NODES[name], given), Context.quiet())


@cache
def inputs_for(socket):
    """A small value of each kind, made by the nodes themselves."""

    def with_prior(vae):
        spec = NODES["train_prior"]
        widgets, _ = spec.check({"steps": 2, "batch": 8})
        inputs = {"vae": vae, "dataset": inputs_for("dataset")}
        return spec(inputs, widgets, Context.quiet())["vae"]

    makers = {
        "dataset": lambda: run("procedural_art")["dataset"],
        "image": lambda: run("dataset_images")["image"],
        "pictures": lambda: torch.cat([inputs_for("image")] * 8),  # need more than a vote does
        "gan": lambda: run("train_gan", method="classic")["gan"],
        "vae": lambda: with_prior(run("train_vae")["vae"]),
        "classifier": lambda: run("train_classifier")["classifier"],
        "restyler": lambda: run("train_restyler")["restyler"],
        "gan_latent": lambda: run("sample_latent")["latent"],
        "projected_gan": lambda: run("train_gan")["gan"],
        "projected_latent": lambda: NODES["sample_latent"](
            {"gan": inputs_for("projected_gan")}, {"count": 4}, Context.quiet()
        )["latent"],
        "directions": lambda: run("latent_directions")["directions"],
        "vae_latent": lambda: run("vae_encode")["vae_latent"],
        "table": lambda: run("classify")["table"],
        "palette": lambda: run("extract_palette")["palette"],
        "mask": lambda: run("image_alpha")["mask"],
        "number": lambda: 2,
        "text": lambda: "text",
    }
    return makers[socket]()


def prepared(spec, given):
    """Inputs and complete widget values for a small run."""
    kinds = {name: p.sockets[0].name for name, p in spec.inputs.items() if not p.optional}
    kinds |= WIRED.get(spec.id, {})
    inputs = {name: inputs_for(kind) for name, kind in kinds.items()}
    small = {name: value for name, value in SMALL.items() if name in spec.widgets}
    for name in ("image", "content", "style"):
        if spec.id in FEW and name in inputs:
            inputs[name] = inputs[name][: FEW[spec.id]]
    widgets, wrong = spec.check(small | OWN.get(spec.id, {}) | given)
    assert not wrong
    return inputs, widgets


def stored(spec, outputs):
    """Every output as the store would keep it."""
    kept = {}
    for name, value in outputs.items():
        if value is None:
            assert spec.outputs[name].optional
            continue
        sockets = spec.outputs[name].sockets
        socket = next(s for s in sockets if len(sockets) == 1 or fits(s, value))
        meta, buffers = socket.encode(value)
        kept[name] = (meta, {k: bytes_of(b) for k, b in buffers.items()})
    return kept


def fits(socket, value):
    try:
        socket.encode(value)
    except ValueError:
        return False
    return True


def bytes_of(buffer):
    if isinstance(buffer, bytes):
        return buffer
    data = buffer.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return buffer.dtype, tuple(buffer.shape), data


# Some need a file, and the result of `machine_speed` is a time.
RUN = sorted(set(NODES) - {"load_model", "load_latents", "load_directions", "machine_speed"})
# Settings with which the seed matters. `cut_pieces` reads a folder, and has tests of its own.
SEEDED = {"balance_classes": {"count": 1}, "vary_noise": {"change": 1.0}}
CANCELLED = [  # nodes that draw and recognise, and report that they are done
    *("sample_latent", "generate", "vae_encode", "vae_decode", "vae_sample"),
    *("classify", "evaluate_classifier"),
    *("deep_dream", "dream_film", "feature_visualisation", "restyle", "style_transfer"),
]


@pytest.mark.parametrize("name", RUN)
def test_every_node(name):
    spec = NODES[name]
    inputs, widgets = prepared(spec, SEEDED.get(name, {}))
    before = {k: stored_input(v) for k, v in inputs.items()}
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    threads = torch.get_num_threads()
    first = stored(spec, spec(inputs, widgets, Context.quiet()))
    assert {k: stored_input(v) for k, v in inputs.items()} == before, "inputs stay as they are"
    assert torch.equal(states[0], torch.random.get_rng_state()), "torch's generator is left alone"
    assert (states[1] == np.random.get_state()[1]).all()
    assert states[2] == random.getstate()
    assert torch.get_num_threads() == threads
    reports = []
    ctx = Context(progress=lambda done, total, preview=None: reports.append(done / total))
    assert stored(spec, spec(inputs, widgets, ctx)) == first, "same seed, same bits"
    if name in CANCELLED:
        assert reports[-1] == pytest.approx(1)
    if "seed" in widgets and name != "cut_pieces":
        other = spec(inputs, widgets | {"seed": widgets["seed"] + 1}, Context.quiet())
        assert stored(spec, other) != first, "another seed, another result"


def test_every_seed_is_tested():
    assert {name for name in NODES if "seed" in NODES[name].widgets} <= set(RUN)


def stored_input(value):
    kept = []
    for part in vars(value).values() if hasattr(value, "__dict__") else [value]:
        tensors = part.values() if isinstance(part, dict) else [part]
        kept += [bytes_of(t) if isinstance(t, torch.Tensor) else repr(t) for t in tensors]
    return kept


@pytest.mark.parametrize("name", sorted(NODES))
def test_every_node_says_what_it_is(name):
    spec = NODES[name]
    assert spec.summary.endswith(".")
    assert len(spec.summary) < 160
    assert spec.title
    for widget in spec.widgets.values():
        assert widget.description, f"{widget.name} has no description"
        if widget.kind in ("int", "float") and name not in ("number", "math"):
            assert {"ge", "gt"} & widget.limits.keys(), f"{widget.name} has no least value"
            assert {"le", "lt"} & widget.limits.keys(), f"{widget.name} has no greatest value"
    _, wrong = spec.check({})
    assert {problem.subject for problem in wrong} <= {
        w.name for w in spec.widgets.values() if w.required
    }


@pytest.mark.gpu
@pytest.mark.parametrize("name", sorted(n for n in NODES if NODES[n].device))
def test_every_device_node_on_a_gpu(name, cuda):
    spec = NODES[name]
    inputs, widgets = prepared(spec, {})
    stored(spec, spec(inputs, widgets, Context(numerics=cuda)))


# Nodes that compute many pictures at a time, and inputs that make them use the device.
DRAWING = {
    "classify": {},
    "evaluate_classifier": {},
    "evaluate_vae": {},
    "generate": {},
    "nearest_images": {"classifier": "classifier"},
    "sample_latent": {},
    "style_transfer": {"content": "image", "style": "image"},
    "vae_decode": {},
    "vae_encode": {},
    "vae_sample": {},
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", DRAWING)
def test_a_node_that_runs_out_of_memory_continues_in_smaller_parts(name, gpu, cuda, monkeypatch):
    if gpu is None:
        pytest.skip("only the stand-in can lack memory at will")
    spec = NODES[name]
    inputs, widgets = prepared(spec, {})
    inputs |= {name: inputs_for(kind) for name, kind in DRAWING[name].items()}
    monkeypatch.setattr(gpu, "largest", 0)
    whole = spec(inputs, widgets, Context(numerics=cuda))
    monkeypatch.setattr(gpu, "most", gpu.largest - 1)
    with pytest.warns(UserWarning, match=r"out of memory; continuing with \d+ pictures at a time"):
        parts = spec(inputs, widgets, Context(numerics=cuda))
    for output, value in whole.items():
        for a, b in zip(tensors_of(value), tensors_of(parts[output]), strict=True):
            torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["projected", "r3", "classic"])
def test_a_gan_draws_alike_on_a_gpu(method, cuda):
    spec = NODES["sample_latent"]
    inputs, widgets = prepared(spec, {"count": 4})
    inputs = {"gan": run("train_gan", method=method)["gan"]}
    drawn = spec(inputs, widgets, Context(numerics=cuda))
    plain = spec(inputs, widgets, Context.quiet())
    assert torch.equal(drawn["latent"].z, plain["latent"].z)
    torch.testing.assert_close(drawn["image"], plain["image"], rtol=0.1, atol=0.05)


@pytest.mark.gpu
@pytest.mark.parametrize("settings", [{"quantiser": "fsq"}, {"method": "classic"}])
def test_a_vae_encodes_and_decodes_alike_on_a_gpu(settings, cuda):
    vae, image = run("train_vae", **settings)["vae"], inputs_for("image")
    found = []
    for context in (Context(numerics=cuda), Context.quiet()):
        latent = NODES["vae_encode"]({"vae": vae, "image": image}, {}, context)["vae_latent"]
        drawn = NODES["vae_decode"]({"vae": vae, "latent": latent}, {}, context)
        found.append(drawn["image"])
    assert (found[0] - found[1]).abs().mean() < 0.01  # not the largest: a few codes may differ


def tensors_of(value):
    fields = [value] if isinstance(value, torch.Tensor) else vars(value).values()
    return [field for field in fields if isinstance(field, torch.Tensor)]


def test_all_nodes_that_draw_on_a_device_are_tested():
    # These draw one picture at a time, or a few.
    few = {"deep_dream", "dream_film", "feature_visualisation", "restyle"}
    trainings = (
        {name for name in NODES if "steps" in NODES[name].widgets} - {"style_transfer"} - few
    )
    others = {"machine_speed", "bend"}  # `bend` draws as `generate` does, if there are clusters
    # These make one picture at a time, whose parts need each other.
    others |= {"compose_latents", "panorama", "texture", "tile", "reshuffle", "retarget"}
    # These compute few numbers, or draw as `generate` does.
    others |= {"breed", "latent_directions", "move_latent", "variation"}
    assert {n for n in NODES if NODES[n].device} - others - few == trainings | set(DRAWING)
