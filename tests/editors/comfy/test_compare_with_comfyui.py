"""The script that compares the stand-in of the tests with ComfyUI's source."""

import pytest
from comfy_stand_in import COMMON, V3
from compare_with_comfyui import main


@pytest.fixture
def clone(tmp_path):
    """A folder with the modules of the stand-in itself, and nodes in the form of ComfyUI's."""
    for name, text in (COMMON | V3).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "comfy_extras").mkdir()
    (tmp_path / "comfy_extras" / "nodes_more.py").write_text(
        "schema = io.Schema(node_id='More', display_name='Load Image')\n"
    )
    api = tmp_path / "comfy_api" / "latest" / "__init__.py"
    schema = "    search_aliases: list = None\n"
    api.write_text(
        api.read_text().replace('    description: str = ""\n', schema + "    description = ''\n")
    )
    return tmp_path


def test_equal_modules_have_no_differences(clone, capsys):
    assert main(clone) == 0
    assert capsys.readouterr().out == "0 differences, 0 of them unknown\n"


def test_what_is_missing_renamed_or_titled_alike_is_named(clone, capsys):
    folders = clone / "folder_paths.py"
    text = folders.read_text().replace("def get_temp_directory", "def temp_folder")
    folders.write_text(text.replace("get_folder_paths(name)", "get_folder_paths(name, width)"))
    (clone / "comfy" / "utils.py").unlink()
    extra = clone / "comfy_extras" / "nodes_more.py"
    extra.write_text(extra.read_text().replace("Load Image", "Train GAN"))
    api = clone / "comfy_api" / "latest" / "__init__.py"
    api.write_text(api.read_text().replace("search_aliases", "aliases"))
    assert main(clone) == 1
    assert capsys.readouterr().out.splitlines() == [
        "comfy/utils: there is no such module",
        "folder_paths: there is no get_temp_directory",
        "folder_paths: get_folder_paths also needs width",
        "the schema has no search_aliases (known)",
        "a node of ComfyUI has the title 'Train GAN', too",
        "5 differences, 4 of them unknown",
    ]
