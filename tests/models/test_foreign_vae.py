"""VAEs of other programs: reading them, and what the nodes do with them.

tests/support/compare_with_diffusers.py compares them with the originals.
"""

import json

import pytest
import torch
import vae_state_dicts
from safetensors.torch import save_file
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import VaeLatent
from artgraph.contract.values.models import Vae
from artgraph.nodes.model_files import load_model, save_model
from artgraph.nodes.prior import train_prior, vae_sample
from artgraph.nodes.vae import evaluate_vae, train_vae, vae_decode, vae_encode

CTX = Context.quiet()
KL = vae_state_dicts.autoencoder_kl()


def load(path):
    vae = load_model(path=path, ctx=CTX).vae
    assert isinstance(vae, Vae)
    return vae


def kl(tmp_path, state=KL, **config):
    return load(vae_state_dicts.write(tmp_path / "vae", state, **config))


def plain(config):
    """Returns a config as a file contains it."""
    return json.loads(json.dumps(config))


def pictures(height=64, width=64, count=2):
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(7))


def dataset(edge=64):
    images = pictures(edge, edge, 6).mul(255).byte()
    return Dataset(images, torch.tensor([0, 1] * 3), ("a", "b"), tuple(map(str, range(6))))


def passed_through(vae, image):
    return vae_decode(vae, vae_encode(vae, image, ctx=CTX), ctx=CTX)


def test_names_of_diffusers_of_the_original_and_of_a_checkpoint_mean_the_same(tmp_path):
    vaes = [kl(tmp_path)]
    original = vae_state_dicts.original_names(KL)
    checkpoint = {f"first_stage_model.{name}": value for name, value in original.items()}
    checkpoint |= {"model.diffusion_model.out.weight": torch.ones(3)}
    for number, state in enumerate((original, checkpoint)):
        folder = tmp_path / str(number)
        vaes.append(load(vae_state_dicts.write(folder, state)))
    latents = [vae_encode(vae, pictures(), ctx=CTX).z for vae in vaes]
    drawn = [passed_through(vae, pictures()) for vae in vaes]
    for more in latents[1:]:
        torch.testing.assert_close(more, latents[0])
    for more in drawn[1:]:
        torch.testing.assert_close(more, drawn[0])


def test_two_files_of_a_taesd_are_one_tiny_autoencoder(tmp_path):
    encoder, decoder = vae_state_dicts.taesd()
    save_file(encoder, tmp_path / "taesd_encoder.safetensors")
    with pytest.raises(InputError, match="only the encoder of a TAESD"):
        load(tmp_path / "taesd_encoder.safetensors")
    save_file(decoder, tmp_path / "taesd_decoder.safetensors")
    save_file(vae_state_dicts.autoencoder_tiny(), tmp_path / "tiny.safetensors")
    names = ("taesd_encoder", "taesd_decoder", "tiny")
    drawn = [passed_through(load(tmp_path / f"{name}.safetensors"), pictures()) for name in names]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def test_a_tiny_autoencoder_computes_what_its_layers_say(tmp_path):
    encoder, decoder = vae_state_dicts.taesd()
    save_file(encoder, tmp_path / "a_encoder.safetensors")
    save_file(decoder, tmp_path / "a_decoder.safetensors")

    def block(x, state, name):
        hidden = x
        for number in (0, 2, 4):
            weight, bias = (state[f"{name}.conv.{number}.{leaf}"] for leaf in ("weight", "bias"))
            hidden = F.conv2d(hidden, weight, bias, padding=1)
            hidden = hidden.relu() if number < 4 else hidden
        return (x + hidden).relu()

    x = pictures().permute(0, 3, 1, 2)
    x = block(F.conv2d(x, encoder["0.weight"], encoder["0.bias"], padding=1), encoder, "1")
    for layer in ("2", "4", "6"):
        x = F.conv2d(x, encoder[f"{layer}.weight"], stride=2, padding=1)
        x = block(x, encoder, str(int(layer) + 1))
    x = F.conv2d(x, encoder["8.weight"], encoder["8.bias"], padding=1)
    latents = vae_encode(load(tmp_path / "a_encoder.safetensors"), pictures(), ctx=CTX)
    torch.testing.assert_close(latents.z, x)


def test_a_config_scales_latents_but_not_pictures(tmp_path):
    plain, scaled = kl(tmp_path), kl(tmp_path, scaling_factor=0.5, shift_factor=0.25)
    z = vae_encode(plain, pictures(), ctx=CTX).z
    torch.testing.assert_close(
        vae_encode(scaled, pictures(), ctx=CTX).z, (z / 0.18215 - 0.25) * 0.5
    )
    drawn = [passed_through(vae, pictures()) for vae in (plain, scaled)]
    torch.testing.assert_close(drawn[0], drawn[1])


def test_pictures_of_any_size(tmp_path):
    vae = kl(tmp_path)
    for height, width in ((8, 8), (40, 104), (67, 50)):
        drawn = passed_through(vae, pictures(height, width))
        assert drawn.shape == (2, height // 8 * 8, width // 8 * 8, 3)
        assert drawn.isfinite().all()
    with pytest.raises(NodeError, match="too small or too large"):
        vae_encode(vae, pictures(4, 64), ctx=CTX)
    with pytest.raises(NodeError, match="too small or too large"):
        vae_encode(vae, torch.zeros(1, 2048, 1024, 3), ctx=CTX)
    with pytest.raises(NodeError, match="needs 4 channels"):
        vae_decode(vae, VaeLatent(torch.zeros(1, 16, 8, 8)), ctx=CTX)


def test_evaluating_it(tmp_path):
    vae = kl(tmp_path)
    table = evaluate_vae(vae, dataset(), ctx=CTX)
    assert len(table.columns["psnr"]) == 3
    with pytest.raises(NodeError, match="multiples of 8 px"):
        evaluate_vae(vae, dataset(52), ctx=CTX)


def test_a_prior_learns_to_draw_with_it(tmp_path):
    vae = kl(tmp_path)
    with pytest.raises(NodeError, match="no prior to draw latents with"):
        vae_sample(vae, ctx=CTX)
    both = train_prior(vae, dataset(48), steps=1, batch=2, ctx=CTX).vae
    assert vae_sample(both, count=2, ctx=CTX).image.shape == (2, 48, 48, 3)
    path = tmp_path / "both.safetensors"
    path.write_bytes(save_model(both).files["@.safetensors"])
    again = load(path)
    assert again.config == plain(both.config)
    assert not again.any_size


def test_its_training_is_not_continued(tmp_path):
    with pytest.raises(NodeError, match="a VAE of another program") as error:
        train_vae(dataset(), start=kl(tmp_path), steps=1, ctx=CTX)
    assert "train_prior" in error.value.advice


def test_saved_and_loaded_again_it_is_the_same(tmp_path):
    vae = kl(tmp_path, sample_size=768)
    (file,) = save_model(vae, name="mine").files.items()
    (tmp_path / file[0]).write_bytes(file[1])
    again = load(tmp_path / file[0])
    assert again.config == plain(vae.config)
    assert torch.equal(passed_through(vae, pictures()), passed_through(again, pictures()))


def wrong_files():
    without = {k: v for k, v in KL.items() if not k.startswith("decoder.mid_block.resnets.1.conv2")}
    narrow = KL | {"encoder.conv_out.weight": torch.zeros(8, 8, 3, 3)}
    three = vae_state_dicts.autoencoder_kl(widths=(8, 8, 16))
    whole = KL | {"decoder.conv_out.weight": torch.zeros(3, 8, 3, 3, dtype=torch.int32)}
    return {
        "missing": (without, {}, "conv2.weight is missing"),
        "narrow": (narrow, {}, "layers do not fit together"),
        "another factor": (three, {}, "4 times smaller"),
        "more": (KL | {"encoder.extra.weight": torch.zeros(2)}, {}, "another kind of network"),
        "groups": (KL, {"norm_num_groups": 3}, "can't be divided into 3 groups"),
        "no groups": (KL, {"norm_num_groups": 0}, "groups"),
        "scale": (KL, {"scaling_factor": "large"}, "scaling_factor in config.json is 'large'"),
        "negative": (KL, {"scaling_factor": -1.0}, "not above 0"),
        "activation": (KL, {"act_fn": "mish"}, "its activation is 'mish'"),
        "infinite": (KL | {"quant_conv.bias": torch.full((8,), torch.inf)}, {}, "not finite"),
        "whole numbers": (whole, {}, "contains whole numbers"),
    }


@pytest.mark.parametrize("name", wrong_files())
def test_a_wrong_file_is_an_error_of_one_line(name, tmp_path):
    state, config, message = wrong_files()[name]
    path = vae_state_dicts.write(tmp_path / "vae", state, **config)
    with pytest.raises(InputError, match=message) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert error.value.advice


def test_sizes_are_checked_before_anything_is_allocated(tmp_path):
    """The header of the file says that a layer has 1.6 * 10^9 weights; the file is sparse."""
    path = vae_state_dicts.write(tmp_path / "vae", KL)
    header = {"encoder.conv_in.weight": [40_000, 40_000, 1, 1], "decoder.conv_in.weight": [1, 1]}
    entries, end = {}, 0
    for name, shape in header.items():
        start, end = end, end + 4 * torch.Size(shape).numel()
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    with pytest.raises(InputError, match="more than 4 GiB"):
        load(path)


def test_the_files_beside_it_are_part_of_the_key(cli):
    path = vae_state_dicts.write(cli.folder / "vae", KL)
    cli.write(
        "g.yaml",
        f"artgraph: 1\nnodes: {{m: {{node: load_model, with: {{path: vae/{path.name}}}}}}}",
    )
    digests = []
    for scale in (0.5, 0.5, 0.25):
        vae_state_dicts.write(cli.folder / "vae", KL, scaling_factor=scale)
        done = cli("run", "g.yaml", "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        digests.append(next(e["outputs"]["vae"] for e in events if "outputs" in e))
    assert digests[0] == digests[1] != digests[2]
