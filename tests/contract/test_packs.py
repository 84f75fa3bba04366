"""Nodes of others: installed packs by entry point, and --pack by module or file."""

PACK = '''
from artgraph.contract.spec import node
from artgraph.contract.values.kinds import Number

@node(title="Seven", category="other")
def seven() -> Number:
    """Always seven."""
    return 7
'''
GRAPH = "artgraph: 1\nnodes: {s: {node: seven}}\n"


def install(cli, source, name="other-pack"):
    """Lay a distribution out as pip would, in a folder for PYTHONPATH."""
    site = cli.folder / "site"
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "other_pack.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[artgraph.nodes]\nother = other_pack\n")
    return {"PYTHONPATH": str(site)}


def test_an_installed_pack_is_there(cli):
    environment = install(cli, PACK)
    cli.write("g.yaml", GRAPH)
    assert "Always seven." in cli("nodes", "seven", **environment).stdout
    assert cli("run", "g.yaml", **environment).returncode == 0
    assert cli("run", "g.yaml").returncode == 2


def test_a_broken_pack_stops_nobody(cli):
    environment = install(cli, "import nowhere_to_be_found")
    done = cli("nodes", "math", **environment)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "node pack 'other' was left out: No module named 'nowhere_to_be_found'" in done.stderr


def test_a_pack_by_name_or_file(cli):
    cli.write("my_nodes.py", PACK)
    cli.write("g.yaml", GRAPH)
    for pack in ("my_nodes", "my_nodes.py", cli.folder / "my_nodes.py"):
        assert cli("run", "g.yaml", "--pack", pack).returncode == 0, pack
    for pack in ("nowhere", "nowhere.py"):
        done = cli("run", "g.yaml", "--pack", pack)
        assert done.returncode == 2
        assert done.stderr.startswith(f"--pack {pack}: ")
        assert len(done.stderr.splitlines()) == 1


def test_two_nodes_of_one_name_are_refused(cli):
    cli.write("my_nodes.py", PACK.replace("seven", "math"))
    done = cli("nodes", "--pack", "my_nodes")
    assert done.returncode == 2
    assert (
        "my_nodes defines the node 'math', which exists already in artgraph.nodes.number"
        in done.stderr
    )


def test_a_file_may_have_the_name_of_a_module(cli):
    (cli.folder / "packs").mkdir()
    cli.write(
        "packs/colorsys.py",
        "from artgraph.api import Number, node\n\n"
        "@node(title='Nine', category='test')\ndef nine() -> Number:\n"
        "    import colorsys\n\n    return colorsys.rgb_to_hsv(0, 0, 9)[2]\n",
    )
    cli.write("g.yaml", "artgraph: 1\nnodes: {a: {node: nine}}")
    done = cli("run", "g.yaml", "--pack", "packs/colorsys.py")
    assert done.returncode == 0, done.stderr
