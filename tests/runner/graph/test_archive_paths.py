"""A widget for a folder of pictures accepts archives, and others only folders."""

import pytest

from artgraph.contract.errors import InputError
from artgraph.contract.registry import load_nodes
from artgraph.pictures.sources.names import PACKED
from artgraph.runner.graph.folders import Folders


def test_archives_may_be_named_instead_of_a_folder(tmp_path):
    folders = Folders(tmp_path, tmp_path, tmp_path / "out")
    files = load_nodes()["load_dataset"].widgets["folder"].files
    assert set(files) == set(PACKED)
    for suffix in PACKED:
        (tmp_path / f"a{suffix.upper()}").write_bytes(b"x")
        assert folders.resolve(f"a{suffix.upper()}", "folder", files=files).is_file()
        with pytest.raises(InputError, match="is not a folder - name the folder that contains"):
            folders.resolve(f"a{suffix.upper()}", "folder")
    (tmp_path / "a.rar").write_bytes(b"x")
    with pytest.raises(InputError, match=r"'a\.rar' is not a folder, and not a zip, tar or P"):
        folders.resolve("a.rar", "folder", files=files)
