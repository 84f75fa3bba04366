"""The words by which artists find nodes, on the command line and in the editors."""

import json

import pytest

from artgraph.cli.about import nodes_about
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.forms import object_info


@pytest.mark.parametrize(
    ("word", "node"),
    [
        ("gif", "save_animation"),
        ("video", "load_video"),
        ("autoencoder", "train_vae"),
        ("folder", "load_dataset"),
        ("my images", "load_dataset"),
        ("interpolate", "latent_walk"),
        ("morph", "mix_latents"),
        ("StyleGAN", "train_gan"),
        ("upscale", "resize_image"),
        ("colour", "style_transfer"),
        ("color", "style_transfer"),
        ("noise", "sample_latent"),
        ("recognise", "classify"),
        ("recognize", "classify"),
        ("images from folder", "load_dataset"),
        ("dcgan", "train_gan"),
        ("slerp", "latent_walk"),
        ("neural style", "style_transfer"),
        ("chart", "plot_table"),
        ("csv", "save_table"),
        ("similar", "nearest_images"),
        ("duplicate", "drop_duplicates"),
        ("mixer", "mix_latents"),
        ("颜色", "style_transfer"),
        ("噪声", "sample_latent"),
        ("放大", "resize_image"),
        ("视频", "save_video"),
        ("照片", "load_dataset"),
    ],
)
def test_artists_find_nodes_by_their_own_words(word, node):
    registry = load_nodes()
    assert node in nodes_about(registry, word)
    aliases = object_info(registry)[f"Artgraph_{node}"]["search_aliases"]
    assert word.casefold() in aliases


def test_every_node_of_artgraph_has_words_in_both_languages():
    own = [s for s in load_nodes().values() if s.function.__module__.startswith("artgraph.nodes")]
    assert len(own) > 40
    for spec in own:
        assert any(word.isascii() for word in spec.words), spec.id
        assert any(not word.isascii() for word in spec.words), spec.id


def about(cli, *words):
    lines = cli("nodes", "--about", *words).stdout.splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ")]


def test_nodes_that_fit_best_are_listed_first(cli):
    assert about(cli, "gif") == ["save_animation"]
    assert about(cli, "gan")[0] == "train_gan"
    assert about(cli, "styles")[:2] == ["mix_styles", "style_transfer"]
    assert about(cli, "load model")[0] == about(cli, "LOAD_MODEL")[0] == "load_model"
    assert "train_vae" in about(cli, "训练")
    data = json.loads(cli("nodes", "--about", "gan", "--json").stdout)
    assert [node["id"] for node in data] == about(cli, "gan")


def test_words_need_not_be_typed_as_they_are_stored(cli):
    assert set(about(cli, "masks")) == set(about(cli, "Mask"))
    assert about(cli, "colors")[0] == about(cli, "colour")[0]
    assert "load_dataset" not in about(cli, "mage")  # words begin with what is typed


def test_the_name_of_a_kind_of_model_finds_all_nodes_that_use_it(cli):
    assert {"generate", "sample_latent", "bend"} <= set(about(cli, "gan"))


def test_what_no_node_is_about_is_said_with_close_words(cli):
    done = cli("nodes", "--about", "teapot")
    assert done.returncode != 0
    assert done.stderr.startswith("no node is about 'teapot' - ")
    assert "did you mean 'morph'?" in cli("nodes", "--about", "moprh").stderr
    assert "try one word, such as 'gif'" in cli("nodes", "--about", "teapot gif").stderr
    assert cli("nodes", "--about", "  ").returncode != 0
