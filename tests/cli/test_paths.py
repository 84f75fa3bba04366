"""Paths on the command line and in environment variables: each means the same everywhere."""

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
