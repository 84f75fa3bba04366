"""What the command line says if something is wrong: one line each, which names the remedy."""

import io

import pytest
from PIL import Image

from artgraph.cli import progress
from artgraph.runner.run.events import Failed, RunFinished

GRAPH = """\
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 2, size: 32}}
  some: {node: dataset_images, from: {dataset: art}}
  saved: {node: save_image, from: {image: some.image}}
  one: {node: number, with: {value: 1}}
  ratio: {node: math, from: {a: one}}
"""
MODEL = "artgraph: 1\nnodes: {m: {node: load_model, with: {path: %s}}}\n"
VAE = "artgraph: 1\nnodes: {a: {node: procedural_art, with: {count: 2, size: 36}}, %s}\n"


@pytest.fixture
def said(cli):
    """Returns a function that runs a command, and returns its exit code and its error output."""
    cli.write("g.yaml", GRAPH)

    def call(words, **environment):
        done = cli(*words.split(), **environment)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    return call


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            "validate g.yaml --set art.count=",
            2,
            "--set art.count=: node 'art': widget 'count': it has no value - write a whole number"
            " such as 3\n",
        ),
        (
            "validate g.yaml --set some.dataset=32",
            2,
            "--set some.dataset=32: node 'some': input 'dataset' cannot have a value - wire it"
            " under `from`\n",
        ),
        (
            "validate g.yaml --set knobs.size=32",
            2,
            "--set knobs.size=32: this graph has no knobs - set NODE.WIDGET instead\n",
        ),
        (
            "validate g.yaml --set saved.format=bmp",
            2,
            "--set saved.format=bmp: node 'saved': widget 'format': 'bmp' is not one of the choices"
            " - choose from png, jpeg, webp\n",
        ),
        (
            "validate g.yaml --set saved.name=a:b",
            2,
            "--set saved.name=a:b: node 'saved': widget 'name': 'a:b' contains ':' - leave it out:"
            ' names have no " * : < > ? | and no control characters\n',
        ),
        (
            "run g.yaml --only one --only ratio --set ratio.op=divide",
            1,
            "g.yaml:7: node 'ratio': 1 / 0 is a division by zero - change b\n",
        ),
        ("run g.yaml --out g.yaml", 2, "g.yaml is a file - choose a folder with --out\n"),
        (
            "run g.yaml --cache g.yaml/c",
            4,
            "g.yaml is a file, not a folder - choose a folder for the cache with --cache\n",
        ),
        ("new x/y.yaml", 2, "x/y.yaml: there is no folder x - create it\n"),
        ("convert g.yaml x/y.yaml", 2, "x/y.yaml: there is no folder x - create it\n"),
        ("convert g.yaml x/m.png", 2, "x/m.png: there is no folder x - create it\n"),
        (
            "convert g.yaml m.png",
            2,
            "m.png: it does not exist, and a graph can only be added to a picture - name an"
            " existing PNG file\n",
        ),
        (
            "nodes --pack nosuch",
            2,
            "--pack nosuch: there is no module 'nosuch' - install it, or name the .py file of the"
            " pack\n",
        ),
        (
            "nodes --pack no.py",
            2,
            "--pack no.py: there is no such file - name an existing .py file, such as ./nodes.py\n",
        ),
        (
            "nodes --pack g.yaml",
            2,
            "--pack g.yaml: this is not a pack - name a .py file or a module\n",
        ),
        (
            "nodes nosuch",
            2,
            "there is no node 'nosuch' - `artgraph nodes` lists all nodes\n",
        ),
        (
            "nodes train",
            2,
            "there is no node 'train' - did you mean 'train_gan' or 'training_advice' or"
            " 'train_vae' or 'train_classifier' or 'train_encoder' or 'train_prior' or"
            " 'train_restyler'?\n",
        ),
        (
            "run g.yaml --only=",
            2,
            "--only '': g.yaml has no such node - choose from art, some, saved, one, ratio\n",
        ),
    ],
)
def test_one_line_names_the_remedy(said, words, code, message):
    assert said(words) == (code, message)


def test_a_file_that_is_missing(cli, said):
    cli.write("m.yaml", MODEL % "../x.safetensors")
    message = (
        "m.yaml:2: node 'm': widget 'path': there is no file '../x.safetensors' in the graph's"
        " folder (.) or the input folder (input) - check the path, or name another with"
        " --set m.path=PATH\n"
    )
    assert said("validate m.yaml") == (3, message)
    message = message.replace(" or the input folder (input)", "")
    assert said("validate m.yaml --input .") == (3, message)


def test_the_command_line_may_name_a_shipped_model(cli, said):
    cli.write("m.yaml", MODEL % "x.safetensors")
    for words in ("m.yaml --set m.path=", "latent_walk --set knobs.model="):
        assert said(f"validate {words}base/gan_64.safetensors") == (0, "")
        assert said(f"validate {words}base/no.safetensors")[0] == 3
    assert said("run m.yaml --set m.path=base/gan_64.safetensors")[0] == 0
    manifest = (cli.folder / "out/m/manifest.json").read_text()
    assert "path: base/gan_64.safetensors" in manifest  # so the stored graph runs again


def test_a_vae_names_the_nearest_sizes(cli, said):
    cli.write("v.yaml", VAE % "v: {node: train_vae, from: {dataset: a}, with: {steps: 1}}")
    code, message = said("run v.yaml")
    assert code == 1
    assert message == (
        "v.yaml:2: node 'v': the pictures are 36 px, but a VAE needs a multiple of 8 px - set"
        " `size` of the dataset to 32 or 40\n"
    )


def test_plain_lines_distinguish_failed_from_skipped(cli, said):
    cli.write("p.png", "")
    cli.write(
        "f.yaml",
        "artgraph: 1\nnodes:\n  a: {node: load_image, with: {path: p.png}}\n"
        "  b: {node: resize_image, from: {image: a}}\n  c: {node: save_image, from: {image: b}}\n",
    )
    lines = cli("run", "f.yaml").stdout.splitlines()
    assert lines[:2] == ["b: skipped, because 'a' failed", "c: skipped, because 'a' failed"]
    assert ": 1 failed, 2 skipped; see " in lines[2]
    end = cli("run", "f.yaml", "--json").stdout.splitlines()[-1]
    assert '"failed":3' in end


def test_each_run_of_a_sweep_counts_its_own_skipped_nodes():
    out = io.StringIO()
    listener = progress.Lines("out", out)
    for because in ("a", None):
        listener(Failed(node="b", type="t", message="", what="", advice="", because=because))
        listener(RunFinished(status="failed", ran=0, cached=0, extended=0, failed=1, seconds=0.0))
    summaries = [line for line in out.getvalue().splitlines() if "see out" in line]
    counts = [line.split(": ")[1] for line in summaries]
    assert counts == ["1 skipped; see out", "1 failed; see out"]


def test_the_check_of_a_cache_counts_what_it_found(cli, said):
    assert cli("cache", "verify").stdout == "the cache is empty\n"
    assert said("run g.yaml --only one")[0] == 0
    assert cli("cache", "verify").stdout == "intact: 1 result and 0 checkpoints\n"


def test_a_graph_can_be_added_to_a_picture(cli, said):
    Image.new("RGB", (8, 8)).save(cli.folder / "m.png")
    assert said("convert g.yaml m.png") == (0, "")


def test_pillows_warnings_which_name_no_file_are_not_shown(cli, said):
    (cli.folder / "pics").mkdir()
    Image.new("1", (12000, 8000)).save(cli.folder / "pics/huge.png")  # Pillow warns at 89 million
    Image.new("L", (40, 40)).save(cli.folder / "pics/small.png")
    cli.write("p.yaml", "artgraph: 1\nnodes: {a: {node: load_dataset, with: {folder: pics}}}\n")
    code, message = said("run p.yaml")
    assert code == 0
    assert "decompression bomb" not in message
