"""Texts that name chosen pictures by their numbers, and the role of such a widget."""

from typing import Annotated

import pytest

from artgraph.contract.cells import cells_problem, chosen_cells
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Image
from artgraph.contract.widgets import ChosenOf

CHOOSE = load_nodes()["choose"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("  ", []),
        ("1, 4, 7", [0, 3, 6]),
        ("7,4,,1, 4", [0, 3, 6]),
        ("2-4 9 – 11", [1, 2, 3, 8, 9, 10]),
        ("3；5、6，12", [2, 4, 5, 11]),
        ("all", [*range(12)]),
    ],
)
def test_numbers_in_every_form_that_people_write(text, rows):
    assert cells_problem(text) is None
    assert chosen_cells(text, 12) == rows


@pytest.mark.parametrize("text", ["0", "1, x", "4-2", "-3", "1.5", "1 to 4", "first", "99999999"])
def test_another_text_is_reported_before_anything_runs(text):
    values, (problem,) = CHOOSE.check({"cells": text})
    assert problem.subject == "cells"
    assert problem.what.endswith("is not the number of a picture")
    assert problem.advice == "write numbers from 1 on, such as 1, 4, 7-9"
    assert values["cells"] == text
    with pytest.raises(NodeError, match="is not the number of a picture - write"):
        chosen_cells(text, 12)


@pytest.mark.parametrize(("text", "number"), [("13", 13), ("2, 40", 40), ("11-20", 13)])
def test_a_number_that_is_too_large_is_one_line(text, number):
    with pytest.raises(NodeError) as raised:
        chosen_cells(text, 12, "numbers")
    assert str(raised.value) == (
        f"`numbers` names picture {number}, but there are only 12 pictures - click on pictures of"
        " the sheet, or write numbers from 1 to 12"
    )
    with pytest.raises(NodeError, match="there is only 1 picture - click"):
        chosen_cells("2", 1)


def test_any_node_may_have_a_widget_of_this_role():
    def pick(picture: Image, *, favourites: Annotated[str, ChosenOf("picture")] = "") -> Image:
        return picture

    spec = NodeSpec("pick", "Pick", "mine", 1, pick, False)
    assert spec.widgets["favourites"].chosen_of == "picture"
    assert spec.check({"favourites": "2"})[1] == []
    assert spec.check({"favourites": "two"})[1][0].subject == "favourites"


def test_the_role_names_an_input():
    def pick(picture: Image, *, favourites: Annotated[str, ChosenOf("image")] = "") -> Image:
        return picture

    spec = NodeSpec("pick", "Pick", "mine", 1, pick, False)
    with pytest.raises(TypeError, match="'favourites' chooses from 'image', which is not an input"):
        spec.widgets  # noqa: B018 - reads the signature
