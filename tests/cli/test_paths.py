"""Paths on the command line and in environment variables: each means the same everywhere."""

import os

GRAPH = "artgraph: 1\nnodes: {t: {node: save_text, with: {text: x}}}\n"
READS = "artgraph: 1\nknobs: {path: ''}\nnodes: {r: {node: read, from: {path: knobs.path}}}\n"


def test_every_option_and_variable_expands_the_tilde(cli, pack):
    home = cli.folder / "home"
    home.mkdir()
    (home / "pack.py").write_text(pack.read_text())
    (home / "g.yaml").write_text(GRAPH)
    (home / "words.txt").write_text("words")
    (home / "in").mkdir()
    cli.write("r.yaml", READS)
    own = {"HOME": str(home), "ARTGRAPH_CACHE": "~/cache"}
    usual = {"HOME": str(home), "ARTGRAPH_CACHE": ""}
    for words, environment in (
        (["run", "~/g.yaml", "--pack=~/pack.py", "--out=~/art", "--input=~/in"], own),
        (["run", "r.yaml", "--pack=~/pack.py", "--set", "knobs.path=~/words.txt"], own),
        (["sweep", "~/g.yaml", "--pack=~/pack.py", "--out=~/art", "--set", "t.text=a"], own),
        (["plan", "~/g.yaml", "--pack=~/pack.py", "--cache-remote=~/shared"], own),
        (["cache", "info", "--cache=~/cache"], usual),
        (["cache", "info"], usual | {"XDG_CACHE_HOME": "~/xdg"}),
        (["new", "~/new.yaml"], own),
        (["convert", "~/new.yaml", "~/new.json"], own),
    ):
        done = cli(*words, **environment)
        assert done.returncode == 0, done.stderr
    made = {path.name for path in home.iterdir()}
    assert {"art", "cache", "xdg", "new.yaml", "new.json"} <= made
    assert not list(cli.folder.glob("~*"))
    assert (home / "art/g/t.txt").read_text() == "x"


def test_every_command_refuses_a_wrong_path_in_one_line(cli, pack):
    cli.write("g.yaml", GRAPH)
    (cli.folder / "file").touch()
    for command in (
        ["run", "g.yaml", "--out", "file"],
        ["run", "g.yaml", "--cache", "~nobody-here"],
        ["plan", "g.yaml", "--out", "~nobody-here/x"],
        ["validate", "g.yaml", "--input", "file"],
        ["validate", "g.yaml", "--out="],
        ["validate", "-"],
        ["validate", "g.yaml/"],
        ["validate", "x" * 300],
        ["validate", "g.yaml", "--pack="],
        ["sweep", "g.yaml", "--set", "t.text=a", "--out", "-"],
        ["new", "~nobody-here/g.yaml"],
        ["convert", "g.yaml", "x" * 300 + ".json"],
        ["cache", "ls", "--cache="],
        ["edit", "--folder", "~nobody-here"],
        ["run", "g.yaml", "--cache-remote", "~nobody-here"],
    ):
        words = [*command, "--pack", str(pack)] if "--set" in command else command
        done = cli(*words)
        assert (done.returncode, done.stdout) == (2, ""), (command, done.stderr)
        assert len(done.stderr.splitlines()) == 1, (command, done.stderr)
    assert cli("validate", "g.yaml", "--input", "nowhere").returncode == 3
    assert cli("cache", "info", ARTGRAPH_CACHE="file").returncode == 4
    assert cli("cache", "info", ARTGRAPH_CACHE="~nobody-here").returncode == 2
    assert cli("cache", "info", ARTGRAPH_CACHE="", HOME="").returncode == 2


def test_a_path_in_a_setting_that_can_not_be_one(cli, pack):
    graph = cli.write("r.yaml", READS)
    done = cli("validate", graph, "--pack", pack, "--set", "knobs.path=~nobody-here")
    assert done.returncode == 2
    assert "node 'r': widget 'path': ~nobody-here: there is no user 'nobody-here'" in done.stderr
    done = cli("validate", graph, "--pack", pack, "--set", f"knobs.path={'x' * 300}")
    assert "the name is too long" in done.stderr


def test_a_missing_file_of_a_graph_names_the_setting_that_gives_one(cli, pack):
    knob = cli.write("r.yaml", READS.replace("''", "mine/words.txt"))
    done = cli("run", knob, "--pack", pack)
    assert done.returncode == 3
    assert "there is no file 'mine/words.txt' in the graph's folder" in done.stderr
    assert "or name another with --set knobs.path=PATH\n" in done.stderr
    plain = "artgraph: 1\nnodes: {r: {node: read, with: {path: mine/words.txt}}}\n"
    done = cli("run", cli.write("p.yaml", plain), "--pack", pack)
    assert "or name another with --set r.path=PATH\n" in done.stderr
    done = cli("run", cli.write("e.yaml", READS), "--pack", pack)
    assert "widget 'path': the path is empty - name a file, or name another" in done.stderr


def test_the_name_of_a_node_that_can_not_be_the_name_of_its_file(cli, pack):
    graph = cli.write("g.yaml", GRAPH.replace("t:", "aux:", 1).replace("{t:", "{aux:"))
    done = cli("validate", graph, "--pack", pack)
    assert done.returncode == 2
    assert "'aux' is the name of a device on Windows - set `name`" in done.stderr


def test_output_folders_and_graphs_whose_names_are_not_utf8_work(cli, pack):
    for name in (b"g.yaml", b"caf\xe9.yaml"):
        (cli.folder / os.fsdecode(name)).write_text(GRAPH)
        words = ("run", os.fsdecode(name), "--out", os.fsdecode(b"caf\xe9"))
        done = cli(*words, "--pack", str(pack))
        assert done.returncode == 0, done.stderr
    done = cli("cache", "gc", "--max-size", "0")
    assert done.stdout.startswith("deleted 0 results and 0 checkpoints"), "they are pinned"


def test_a_cache_whose_path_is_not_utf8_is_refused_before_anything_runs(cli, pack):
    cli.write("g.yaml", GRAPH)
    done = cli("run", "g.yaml", "--pack", str(pack), "--cache", os.fsdecode(b"c\xe9"))
    assert done.returncode == 4
    assert "c\\udce9 can't be used: the path is not UTF-8 - choose another" in done.stderr
    assert not (cli.folder / os.fsdecode(b"c\xe9")).exists()


def test_the_message_about_a_missing_path_is_one_line_and_names_a_similar_one(cli, pack):
    cli.write("r.yaml", READS)
    (cli.folder / "words").mkdir()
    (cli.folder / "words/Latin.txt").touch()
    for typed, advice in (
        ("words/latin2.txt", "check the path (did you mean 'Latin.txt'?)"),
        ("'words/Latin.txt'", "if you mean words/Latin.txt, remove the quotes or spaces around it"),
        ("https://example.com/x.txt", "download it, and write the path on this computer"),
        ("nowhere/x", "check the path"),
        ("a\nb", "check the path"),
    ):
        done = cli("run", "r.yaml", "--pack", str(pack), "--set", f"knobs.path={typed}")
        assert done.returncode == 3, done.stderr
        assert done.stderr.endswith(f" - {advice}\n")
        assert done.stderr.count("\n") == 1
