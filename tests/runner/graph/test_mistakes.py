"""What is wrong with a graph is told all at once, each in one line with file, line and node."""

import unicodedata

import pytest

from artgraph.contract.errors import InputError
from artgraph.runner.graph.folders import Folders

TEN = """\
artgraph: 1
title: Ten mistakes
knobs:
  size: 64
nodes:
  art:
    node: procedual_art
  big:
    node: number
    with: {value: "3"}
  sum:
    node: math
    from: {a: bigg, b: big.value}
    with: {op: devide}
  more:
    node: math
    from: {a: knobs.sise}
    with: {c: 3}
  vae:
    node: train_vae
    from: {dataset: big}
    with: {steps: 0, sed: 3}
  ring:
    node: math
    from: {a: ring2}
  ring2:
    node: math
    from: {a: ring}
  walk:
    node: latent_walk
  gone:
    node: load_model
    with: {path: nowhere.safetensors}
"""

EXPECTED = [
    "g.yaml:7: node 'art': there is no node type 'procedual_art' - did you mean 'procedural_art'?",
    "g.yaml:10: node 'big': widget 'value': '3' is not a number - write it without quotes",
    "g.yaml:13: node 'sum': there is no node 'bigg' - did you mean 'big'?",
    "g.yaml:13: node 'sum': 'big' has no output 'value' - choose from number",
    "g.yaml:14: node 'sum': widget 'op': 'devide' is not one of the choices"
    " - did you mean 'divide'?",
    "g.yaml:17: node 'more': there is no knob 'sise' - did you mean 'size'?",
    "g.yaml:18: node 'more': math has no widget 'c' - choose from a, b, op",
    "g.yaml:22: node 'vae': train_vae has no widget 'sed' - did you mean 'seed'?",
    "g.yaml:22: node 'vae': widget 'steps': 0 is too small - the minimum is 1",
    "g.yaml:24: node 'ring': its wires form a loop (ring -> ring2 -> ring) - remove one of them",
    "g.yaml:30: node 'walk': input 'latent' is not wired - add `latent:` under `from`, with a"
    " node that outputs a gan_latent or vae_latent (sample_latent, vae_sample, choose)",
    "g.yaml:33: node 'gone': widget 'path': there is no file 'nowhere.safetensors' in the graph's"
    " folder (.) or the input folder (input) - check the path, or name another with --set"
    " gone.path=PATH",
]


@pytest.mark.parametrize("command", ["validate", "run", "plan"])
def test_all_at_once(cli, command):
    cli.write("g.yaml", TEN)
    done = cli(command, "g.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == EXPECTED
    assert not (cli.folder / "out").exists()


def test_types_of_wires(cli):
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  one: {node: number}\n"
        "  vae: {node: train_vae, from: {dataset: one}}\n"
        "  gan: {node: sample_latent, from: {gan: vae.vae, seed: vae.curves}}\n"
        "  word: {node: text, from: {text: one}}\n",
    )
    done = cli("validate", "g.yaml")
    assert done.returncode == 2
    dataset, gan, seed, word = done.stderr.splitlines()
    assert "input 'dataset' takes a dataset, but one.number is a number" in dataset
    assert "input 'gan' takes a gan, but vae.vae is a vae" in gan
    assert "(train_gan, training_advice, load_model)" in gan
    assert "widget 'seed' takes a number, but vae.curves is a table" in seed
    assert "widget 'text' takes a text, but one.number is a number" in word


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "g.yaml:1: the file is empty - begin with `artgraph: 1` and `nodes:`; `artgraph new"),
        ("artgraph: 2\nnodes: {a: {node: number}}", "g.yaml:1: format version 2 is not supported"),
        ("artgraph: 1\nnodes: {a: &x {node: number}}", "g.yaml:2: anchors and aliases are not"),
        ("artgraph: 1\nnodes: {a: *x}", "g.yaml:2: anchors and aliases are not"),
        ("artgraph: !!int 1", "g.yaml:1: the tag tag:yaml.org,2002:int is not allowed"),
        ("artgraph: 1\nartgraph: 1", "g.yaml:2: the key 'artgraph' appears twice, also in line 1"),
        ("artgraph: 1\nnodes: [", "g.yaml:3: this YAML is incomplete - is a bracket"),
        ("artgraph: 1\nnodes:\n\ta: 1", "g.yaml:3: this line begins with a tab - indent"),
        ('artgraph: 1\ntitle: "a\n\n', 'g.yaml:2: the " is not closed - close it with "'),
        ("artgraph: 1\ntitle: @a", "g.yaml:2: a value can't begin with @ - put it in quotes"),
        ("artgraph: 1\n---\nb: 1", "g.yaml:2: a second document in one file"),
        ("[" * 30_000, "g.yaml:1: nested deeper than 16 levels - use fewer levels"),
        ("{a: " * 30_000, "g.yaml:1: nested deeper than 16 levels - use fewer levels"),
        (
            "artgraph: 1\nnodes: {a.b: {node: number}}",
            "g.yaml:2: node 'a.b': this is not a valid name",
        ),
        (
            "artgraph: 1\nnodes: {knobs: {node: number}}",
            "g.yaml:2: node 'knobs': this is not a valid name",
        ),
        ("artgraph: 1\nnodes: 3", "g.yaml:2: `nodes` must be a mapping, not 3"),
        ("artgraph: 1\nnodes: {a: 3}", "g.yaml:2: node 'a': a node must be a mapping, not 3"),
        ("artgraph: 1\nnodse: {}", "g.yaml:2: unknown key 'nodse' - did you mean 'nodes'?"),
        (
            "artgraph: 1\nart:\n  node: number",
            "g.yaml:3: unknown key 'art' - indent this node under `nodes`",
        ),
        ("artgraph: [1]", "g.yaml:1: format version [1] is not supported"),
        (
            "artgraph: 1\nnodes: {a: {node: math, with: [count]}}",
            "g.yaml:2: node 'a': `with` must be a mapping, not [count] - write",
        ),
        (
            "artgraph: 1\nnodes: {a: {node: math, from: {a: [b]}}}",
            "g.yaml:2: node 'a': the wire to 'a' is ['b'] - write",
        ),
        ("artgraph: 1\nnodes: {a: {node: [1]}}", "g.yaml:2: node 'a': it has no node type"),
        ("artgraph: 1\nnodes: {a: {node: math, from: {a: 3}}}", "g.yaml:2: node 'a': the wire to"),
        ("artgraph: 1\nknobs: {k: {x: 1}}\nnodes: {a: {node: text}}", "g.yaml:2: knob 'k' has"),
        ("artgraph: 1\nnodes: {a: {node: number, with: {value: .inf}}}", "g.yaml:2: node 'a': w"),
        ("artgraph: 1\nnodes: {a: {node: number, with: {value: {b: 1}}}}", "g.yaml:2: node 'a': w"),
        ("artgraph: 1\nnodes: {a: {node: number, with: {value: 1e999}}}", "g.yaml:2: node 'a': w"),
    ],
)
def test_forms_that_are_refused(cli, text, line):
    cli.write("g.yaml", text)
    done = cli("validate", "g.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert "Traceback" not in done.stderr


def test_scalars_are_those_of_yaml_1_2(cli):
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  a: {node: text, with: {text: no}}\n"
        "  b: {node: text, with: {text: 12:30:00}}\n"
        "  c: {node: number, with: {value: 1e3}}\n"
        "  d: {node: number, with: {value: 0o17}}\n"
        "  e: {node: sample_latent, from: {gan: g.gan}, with: {count: 1e1, seed: 2.0}}\n"
        "  g: {node: train_gan, from: {dataset: h}}\n"
        "  h: {node: procedural_art}\n",
    )
    assert cli("validate", "g.yaml").returncode == 0
    wrong = cli("validate", "g.yaml", "--set", "e.count=1.5", "--set", "e.seed=yes")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 2


def test_binary_and_huge_files(cli):
    (cli.folder / "b.yaml").write_bytes(bytes(range(256)))
    assert "not UTF-8 text" in cli("validate", "b.yaml").stderr
    with (cli.folder / "h.yaml").open("wb") as file:
        file.truncate(100 * 2**20)
    assert "larger than 64 MiB" in cli("validate", "h.yaml").stderr


def test_a_deep_loop_and_a_long_chain(cli):
    count = 3000
    chain = "".join(f"  n{i}: {{node: math, from: {{a: n{i - 1}}}}}\n" for i in range(1, count))
    cli.write("g.yaml", "artgraph: 1\nnodes:\n  n0: {node: number}\n" + chain)
    assert cli("validate", "g.yaml").stdout == f"g.yaml: {count} nodes, no problem\n"
    ring = chain + f"  n0: {{node: math, from: {{a: n{count - 1}}}}}\n"
    cli.write("r.yaml", "artgraph: 1\nnodes:\n" + ring)
    done = cli("validate", "r.yaml")
    assert done.returncode == 2
    assert "its wires form a loop" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings(cli):
    cli.write(
        "g.yaml", "artgraph: 1\nknobs: {k: 1}\nnodes: {a: {node: number, from: {value: knobs.k}}}"
    )
    for setting, words in (
        ("k=1", "--set k=1: not a setting - write node.widget=value"),
        ("knobs.q=1", "--set knobs.q=1: there is no knob 'q' - choose from k"),
        ("b.value=1", "--set b.value=1: there is no node 'b' - choose from a"),
        (
            "a.valeu=1",
            "--set a.valeu=1: node 'a': number has no widget 'valeu' - did you mean 'value'?",
        ),
        ("knobs.k=x", "--set knobs.k=x: node 'a': widget 'value': 'x' is not a number"),
    ):
        done = cli("validate", "g.yaml", "--set", setting)
        assert done.returncode == 2
        assert words in done.stderr


def test_a_folder_is_found_in_both_forms_of_an_accent(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "Büro") for form in ("NFC", "NFD"))
    (tmp_path / nfd / nfd).mkdir(parents=True)
    folders = Folders(tmp_path, tmp_path, tmp_path / "out")
    for text in (nfc, nfd, f"{nfc}/{nfd}"):
        assert folders.resolve(text, "folder").is_dir()
    with pytest.raises(InputError, match="there is no folder"):
        folders.resolve("Bürö", "folder")
