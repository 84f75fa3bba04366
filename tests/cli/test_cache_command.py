"""`artgraph cache`: units of sizes, questions before models are deleted, and what is evicted."""

import json
import os
import pty
import shutil
import subprocess

import pytest

from artgraph.contract.errors import GraphError
from artgraph.runner.store.place import size_of

GRAPH = """\
artgraph: 1
knobs: {level: 0.5}
nodes:
  t: {node: slow_training, with: {steps: 20}}
  g: {node: grey, from: {level: knobs.level}, with: {count: 500}}
"""
TRAINING = "slow_training"


@pytest.fixture
def run(cli, pack):
    """Returns a function that trains, and makes 96 kB of pictures; nothing is pinned."""
    cli.write("g.yaml", GRAPH)

    def call(level=0.5, **environment):
        words = ["run", "g.yaml", "--pack", pack, "--json", "--set", f"knobs.level={level}"]
        done = cli(*words, **environment)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(cli.folder / "out")
        return json.loads(done.stdout.splitlines()[-1]), done.stderr

    return call


def stored(cli):
    """Returns the ids of the nodes of all stored results and checkpoints."""
    lines = cli("cache", "ls", "--json").stdout.splitlines()
    return sorted(json.loads(line)["node"] for line in lines)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("0.0", 0),
        ("10B", 10),
        ("10 bytes", 10),
        ("10KB", 10 << 10),
        ("10k", 10 << 10),
        (" 10  GB ", 10 << 30),
        ("10GiB", 10 << 30),
        ("1.5g", 3 << 29),
        (".5 mib", 1 << 19),
        ("2tB", 2 << 40),
    ],
)
def test_a_size_with_a_unit(text, size):
    assert size_of("--max-size ", text) == size


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10", "--max-size 10: the unit is missing - write 10MB or 10GB, for example"),
        ("1.5", "--max-size 1.5: the unit is missing - write 1.5MB or 1.5GB, for example"),
        ("-5GB", "--max-size -5GB: a size can't be negative - write one such as 10GB"),
        *[
            (text, f"--max-size {text}: not a size - write one such as 10GB or 500MB")
            for text in (
                "",
                "GB",
                "1,5GB",
                "1e3",
                "10 apples",
                "10GBs",
                "inf",
                "nan",
                "١GB",
                "9" * 99,
            )
        ],
    ],
)
def test_a_size_that_is_refused(text, what):
    with pytest.raises(GraphError) as error:
        size_of("--max-size ", text)
    assert str(error.value) == what


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["cache", "gc", "--max-size", "10"], {}),
        (["cache", "gc"], {"ARTGRAPH_CACHE_MAX": "10"}),
        (["run", "g.yaml", "--memory", "10"], {}),
    ],
)
def test_no_command_guesses_a_unit(cli, run, pack, words, environment):
    run()
    before = stored(cli)
    more = ["--pack", pack] if words[0] == "run" else []
    done = cli(*words, *more, **environment)
    assert done.returncode == 2
    assert "the unit is missing - write 10MB or 10GB" in done.stderr
    assert stored(cli) == before


def test_models_are_deleted_last_and_only_after_a_question(cli, run):
    run()
    assert stored(cli) == ["grey", TRAINING, TRAINING], "with its checkpoint"
    done = cli("cache", "gc", "--max-size", "0", "--dry-run")
    lines = done.stdout.splitlines()
    assert [line.split()[0].strip(",") for line in lines] == ["grey", TRAINING, "would"]
    refused = cli("cache", "gc", "--max-size", "0")
    assert refused.returncode == 2
    assert "1 checkpoint" in refused.stderr
    assert refused.stderr.endswith("- nothing was deleted; add --yes if you want this\n")
    assert stored(cli) == ["grey", TRAINING, TRAINING]
    assert cli("cache", "gc", "--max-size", "50KB").returncode == 0, "no model is concerned"
    assert stored(cli) == [TRAINING, TRAINING]
    assert cli("cache", "gc", "--max-size", "0", "--yes").returncode == 0
    assert stored(cli) == [TRAINING], "a small result is part of the index, and takes no space"


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_the_question_on_a_terminal(cli, run, answer, code):
    run()
    ours, theirs = pty.openpty()
    options = cli.options() | {"stdin": theirs, "stderr": theirs}
    process = subprocess.Popen(cli.command("cache", "clear"), **options)
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 1024)
    assert b"1 trained model" in shown
    os.write(ours, answer)
    process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code
    assert len(stored(cli)) == (0 if code == 0 else 3)


def test_clearing_without_a_terminal_needs_an_option(cli, run):
    run()
    options = cli.options() | {"input": "y\n"}
    done = subprocess.run(cli.command("cache", "clear"), **options, check=False)
    assert done.returncode == 2
    assert "add --yes" in done.stderr
    assert "1 trained model (" in done.stderr
    assert cli("cache", "clear", "--dry-run").stdout.startswith(
        "would delete 2 results and 1 checkpoint"
    )
    assert len(stored(cli)) == 3
    assert cli("cache", "clear", "--yes").stdout == "deleted 2 results and 1 checkpoint\n"


def test_a_full_cache_drops_other_results_before_models(cli, run):
    run(0)
    for number in range(1, 8):
        _, warnings = run(number / 10, ARTGRAPH_CACHE_MAX="300KB")
        assert warnings == ""
    assert stored(cli).count(TRAINING) == 2, "the oldest, but a model and its checkpoint"
    assert stored(cli).count("grey") <= 3


def test_a_full_cache_says_which_models_it_drops(cli, run):
    _, warnings = run(ARTGRAPH_CACHE_MAX="1B")
    assert warnings.startswith("warning: the cache was over its limit of 1 B, and nothing but")
    assert f"the checkpoint of {TRAINING} at step 20 (created just now)" in warnings
    assert len(warnings.splitlines()) == 1


def test_a_model_whose_output_folder_is_gone_is_dropped_with_a_word(cli, run):
    art = "a: {node: procedural_art, with: {count: 4, size: 32}}"
    vae = "v: {node: train_vae, from: {dataset: a}, with: {steps: 2, batch: 4}}"
    cli.write("v.yaml", f"artgraph: 1\nnodes:\n  {art}\n  {vae}\n")
    assert cli("run", "v.yaml").returncode == 0
    assert "train_vae" in stored(cli)
    shutil.rmtree(cli.folder / "out")
    _, warnings = run(ARTGRAPH_CACHE_MAX="1B")
    assert "train_vae (created just now, trained in " in warnings
    assert "train_vae" not in stored(cli)
