"""Names of classes as people type them, and classes whose names have a meaning of their own."""

import unicodedata
from dataclasses import asdict

import pytest
import torch
from vaes import discs, trained

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import Table
from artgraph.contract.values.models import Classifier, Gan
from artgraph.contract.wording import chosen_names, find_name, in_form_of, suggestion
from artgraph.models.classifier.calibration import metrics_and_confusion
from artgraph.models.classifier.networks import ClassifierConfig
from artgraph.models.gan.api import GanConfig
from artgraph.models.training.numerics import Numerics
from artgraph.models.vae.api import make_vae
from artgraph.models.vae.report import reconstruction_table
from artgraph.nodes import classifier, gan
from artgraph.nodes.latent import class_weights
from artgraph.nodes.table import join_tables

NFD = unicodedata.normalize("NFD", "m\u00fcll")


def weights(names, style, index=0):
    return class_weights(tuple(names), style, Context.quiet(), 0, index).tolist()


@pytest.mark.parametrize(
    ("names", "style", "expected"),
    [
        (["cats", "dogs"], "dogs", [0, 1]),
        (["cats", "dogs"], "each", [1, 0]),
        (["cats", "dogs"], "all:each", [1, 0]),
        (["cats", "dogs"], "class:dogs", [0, 1]),
        (["dogs", "each"], "class:each", [0, 1]),
        (["each", "dogs", "mixed"], "class:mixed", [0, 0, 1]),
        (["each", "dogs"], "all:each", [1, 0]),
        (["each", "dogs"], "dogs", [0, 1]),
        (["a", NFD], "m\u00fcll", [0, 1]),
        (["a", "m\u00fcll"], NFD, [0, 1]),
        (["a", NFD], "class:m\u00fcll", [0, 1]),
        ([NFD, "m\u00fcll"], "m\u00fcll", [0, 1]),
        (["a, b", "c=d"], "a, b", [1, 0]),
        (["a, b", "c=d"], "c=d", [0, 1]),
        (["1", "null", "true"], "null", [0, 1, 0]),
        ([" cats", "cats"], " cats", [1, 0]),
        (["x", "class:x"], "class:class:x", [0, 1]),
    ],
)
def test_a_class_is_found_by_its_name(names, style, expected):
    assert weights(names, style) == expected


@pytest.mark.parametrize(
    ("names", "style", "words"),
    [
        (["each", "b"], "each", "is a class of this model, and also means all of its classes"),
        (["each", "b"], "each", "write class:each for the class, or all:each for all classes"),
        (["mixed"], "mixed", "write class:mixed for the class, or all:mixed"),
        (["x", "class:x"], "class:x", "has several meanings"),
        (["all:each"], "all:each", "has several meanings"),
        (
            ["Cats", "dogs"],
            "cats",
            "no class 'cats' - did you mean 'Cats'? Its classes are Ca",
        ),
        (["cats", "dogs"], "cats ", "did you mean 'cats'?"),
        (["cats", "dogs"], "\u201cdogs\u201d", "did you mean 'dogs'?"),
        (["a, b", "dogs"], "horse", "its classes are 'a, b', dogs"),
        (["cats"], "horse", "no class 'horse' - its only class is cats"),
        (["cats", "dogs"], "", "no class '' - its classes are cats, dogs"),
        (["cats", "dogs"], "EACH", "no class 'EACH' - its classes are cats, dogs"),
        ([NFD, "m\u00fcll"], "M\u00dcLL", "did you mean"),
    ],
)
def test_a_class_that_is_not_certain_is_refused(names, style, words):
    with pytest.raises(NodeError) as error:
        weights(names, style)
    assert words in str(error.value)


def test_a_list_of_names_may_contain_names_with_commas():
    names = ["p(a, b)", "p(c)", 'say "x"', NFD]
    for text, expected in (
        ("p(c)", ["p(c)"]),
        ("p(a, b)", ["p(a, b)"]),
        (' p(c) , "p(a, b)" ,', ["p(c)", "p(a, b)"]),
        ('"say ""x""", p(c)', ['say "x"', "p(c)"]),
        ('say "x", p(c)', ['say "x"', "p(c)"]),
        ("m\u00fcll", [NFD]),
        ("", []),
        (" , ", []),
    ):
        assert chosen_names(text, names, "no column") == expected
    with pytest.raises(NodeError) as error:
        chosen_names("p(c), p(a, b)", names, "no column")
    assert str(error.value) == (
        "no column 'p(a' - did you mean 'p(a, b)'?"
        " (a name that contains a comma needs double quotes)"
    )


def test_find_name_prefers_the_exact_name_and_does_not_guess():
    both = [NFD, "m\u00fcll"]
    assert [find_name(name, both) for name in both] == both
    assert find_name("cats", ["Cats"]) is None
    assert suggestion("CATS", ["cats", "dogs"]) == "did you mean 'cats'?"
    assert suggestion("cats", ["Cats", "CATS"]) == "did you mean 'Cats' or 'CATS'?"


def test_names_in_the_form_that_others_have():
    nfc = "m\u00fcll"
    assert in_form_of((NFD, "a"), ("a", nfc)) == (nfc, "a")
    assert in_form_of((nfc, "a"), (NFD, "b")) == (NFD, "a")
    assert in_form_of((NFD, nfc), (nfc,)) == (NFD, nfc)  # two classes remain two
    assert in_form_of((NFD,), (NFD, nfc)) == (NFD,)


def test_the_classes_of_a_start_have_the_names_of_the_dataset():
    """The weights of a class are found again if an old model wrote its name in form NFD."""
    names = ("a", "m\u00fcll")
    config = GanConfig.default("projected", 32, ("a", NFD))
    assert gan._base(Gan(config.to_dict(), {}), names)[0].classes == names
    known = ClassifierConfig("residual", 32, ("a", NFD))
    assert classifier._base(Classifier(asdict(known), {}), names)[0].classes == names


def test_classes_named_like_rows_and_columns_of_a_table_are_not_lost():
    probabilities, labels = torch.eye(4), torch.arange(4)
    for names in (("true class (class)", "true class", "accuracy", "accuracy (class)"),):
        table, confusion = metrics_and_confusion(probabilities, labels, names)
        assert len(set(table["metric"])) == len(table["metric"]) == 7
        assert len(confusion) == 5
    joined = join_tables(Table({"x": [1], "x 2": [2]}), Table({"x": [3], "x 2": [4]}))
    assert joined.columns == {"x": [1], "x 2": [2], "x 3": [3], "x 2 2": [4]}


def test_a_class_named_all_is_in_the_report_of_a_vae():
    images = discs(4, 32, 0)
    result = trained(images, steps=1)
    network = make_vae(result.config).eval()
    labels = torch.tensor([0, 0, 0, 1])
    with torch.no_grad():
        table = reconstruction_table(
            network, images, labels, ("all", "b"), Numerics(), lambda *_: None
        )
    assert table["style"] == ["all (class)", "b", "all"]
    assert table["pictures"] == [3, 1, 4]
