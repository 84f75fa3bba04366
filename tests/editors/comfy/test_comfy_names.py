"""The names of saved files in ComfyUI."""

import re
import time

import pytest

from artgraph.contract.errors import NodeError
from artgraph.editors.comfy.file_names import numbered, with_size, with_values

PROMPT = {
    "1": {"class_type": "KSampler", "inputs": {"seed": 7}, "_meta": {"title": "My sampler"}},
    "2": {"class_type": "Artgraph_text", "inputs": {"value": "a/b: c"}},
}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("%date:yyyy-MM-dd%_x", "%Y-%m-%d_x"),
        ("%date%", "%Y-%m-%d"),
        ("p/%date:yy_MM%/x", "p/%y_%m/x"),
        ("%year%%month%%day%-%hour%", "%Y%m%d-%H"),
    ],
)
def test_times(name, form):
    before = time.strftime(form)
    assert with_values(name, {}) in (before, time.strftime(form))


def test_short_parts_of_a_date_have_no_zeros(monkeypatch):
    now = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0))
    monkeypatch.setattr(time, "localtime", lambda: now)
    assert with_values("%date:d.M.yyyy h:m:s%", {}) == "4.3.2026 5:6:7"
    assert with_values("%date:yyyyMMdd_hhmmss%", {}) == "20260304_050607"


def test_widgets_of_other_nodes():
    assert with_values("%KSampler.seed%_%My sampler.seed%", PROMPT) == "7_7"
    assert with_values("%Artgraph_text.value%", PROMPT) == "a_b_ c"
    unknown = "%KSampler.steps%, 50%_a%, %Nobody.seed%"
    assert with_values(unknown, PROMPT) == unknown


def test_the_size_of_the_picture():
    assert with_size("x_%width%x%height%", (64, 48)) == "x_64x48"
    assert with_size("x", None) == "x"
    with pytest.raises(
        NodeError, match="%height% in its name is of a picture, but this node saves"
    ):
        with_size("x_%height%", None)


def saved(folder, names, stem):
    """Returns the names under which files are saved, after saving them."""
    found = numbered(names, stem, folder)
    for name in found:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch(exist_ok=False)
    return found


def test_a_batch_has_consecutive_numbers(tmp_path):
    names = ["shot_0001.png", "shot_0002.png"]
    assert saved(tmp_path, names, "shot") == ["shot_00001_.png", "shot_00002_.png"]
    assert saved(tmp_path, ["shot.jpg"], "shot") == ["shot_00003_.jpg"]
    assert saved(tmp_path, names, "shot") == ["shot_00004_.png", "shot_00005_.png"]
    assert saved(tmp_path, ["shot_0001.png"], "shot_0001") == ["shot_0001_00001_.png"]
    assert saved(tmp_path, ["shots.png"], "shots") == ["shots_00001_.png"]


def test_files_with_names_of_their_own_have_one_number(tmp_path):
    sheets = ["sort_cats.png", "sort_dogs.png"]
    assert saved(tmp_path, sheets[:1], "sort") == ["sort_cats_00001_.png"]
    assert saved(tmp_path, sheets, "sort") == ["sort_cats_00002_.png", "sort_dogs_00002_.png"]


def test_the_folder_of_a_dataset_gets_the_number(tmp_path):
    names = ["p/set/cats/a.png", "p/set/dogs/a.png"]
    first = ["p/set_00001_/cats/a.png", "p/set_00001_/dogs/a.png"]
    assert saved(tmp_path, names, "p/set") == first
    again = [re.sub("00001", "00002", name) for name in first]
    assert saved(tmp_path, names, "p/set") == again
    assert saved(tmp_path, names[:1], "p/set") == ["p/set_00003_/cats/a.png"]
    assert saved(tmp_path, ["p/set.png"], "p/set") == ["p/set_00004_.png"]


def test_case_does_not_distinguish_names(tmp_path):
    assert saved(tmp_path, ["Shot.png"], "Shot") == ["Shot_00001_.png"]
    assert saved(tmp_path, ["shot.png"], "shot") == ["shot_00002_.png"]
