"""A result that was saved in ComfyUI is not saved again, as long as its files are as they were."""

import pytest

from artgraph.editors.comfy.saved import Saved


@pytest.fixture
def output(tmp_path):
    """A folder with two saved files."""
    folder = tmp_path / "output"
    folder.mkdir()
    for name in ("cats_00001_.png", "cats_00002_.png"):
        (folder / name).write_text(name)
    return folder


NAMES = ["cats_00001_.png", "cats_00002_.png"]


def saved(output, key="k", chosen="cats"):
    return Saved(output.parent / "cache", key, output, [chosen])


def test_unchanged_files_are_found_again(output):
    assert saved(output).unchanged() is None
    saved(output).record(NAMES)
    assert saved(output).unchanged() == NAMES


@pytest.mark.parametrize("change", ["deleted", "longer", "replaced"])
def test_a_changed_file_is_saved_again(output, change):
    saved(output).record(NAMES)
    file = output / NAMES[1]
    if change == "longer":
        file.write_text("something else that is longer")
    else:
        file.unlink()
    if change == "replaced":
        file.mkdir()
    assert saved(output).unchanged() is None


def test_another_result_or_another_name_or_folder_is_saved(output, tmp_path):
    saved(output).record(NAMES)
    assert saved(output, key="l").unchanged() is None
    assert saved(output, chosen="dogs").unchanged() is None
    other = tmp_path / "other"
    other.mkdir()
    assert saved(other).unchanged() is None


def test_a_broken_record_counts_as_none(output):
    saved(output).record(NAMES)
    (record,) = (output.parent / "cache" / "saved").iterdir()
    for text in ("", "[1]", "{", "null", '{"cats_00001_.png": 3}'):
        record.write_text(text)
        assert saved(output).unchanged() is None
