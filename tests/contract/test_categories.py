"""The categories of nodes: what an artist wants to do, in the order of the work."""

from artgraph.contract.categories import CATEGORIES, by_category
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.help import LOCALES, category_names


def own_nodes():
    nodes = load_nodes().values()
    return [spec for spec in nodes if spec.function.__module__.startswith("artgraph.nodes")]


def test_every_node_is_in_a_category_and_each_category_has_nodes():
    groups = by_category(own_nodes())
    assert list(groups) == list(CATEGORIES)
    assert sum(map(len, groups.values())) == len(own_nodes())


def test_categories_are_listed_in_the_order_of_the_work(cli):
    cli.write(
        "pack.py",
        "from artgraph.api import Number, node\n\n\n@node(title='Nine', category='a pack')\n"
        "def nine() -> Number:\n    '''Always nine.'''\n    return 9\n",
    )
    lines = cli("nodes", "--pack", "pack.py").stdout.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [*(f"{name}: {about}" for name, about in CATEGORIES.items()), "a pack"]


def test_a_category_has_a_chinese_name_of_its_own():
    names = category_names(load_nodes(), LOCALES["zh"])
    assert all(names[name] != name for name in CATEGORIES)
    assert names["train"] == "训练"  # and not the name of the output `train`, a part of a dataset
