"""Which shards a graph may read: in its own folders, or at addresses that the user allowed."""

import pytest

from artgraph.contract.errors import GraphError, InputError
from artgraph.contract.shards import ALLOWED, Shards, allow, is_allowed, without_secrets
from artgraph.runner.graph.folders import Folders


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv(ALLOWED, "")
    monkeypatch.chdir(tmp_path)
    for name in ("graph", "input", "other"):
        (tmp_path / name / "set").mkdir(parents=True)
        (tmp_path / name / "set" / "a-0.tar").write_bytes(b"")
    (tmp_path / "graph" / "link").symlink_to(tmp_path / "other")
    return Folders(tmp_path / "graph", tmp_path / "input", tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["set", "set/", "set/a-0.tar", "set/a-{0..3}.tar", "./set/a-0.tar"]
)
def test_shards_in_the_folder_of_the_graph(folders, text):
    found = folders.shards(text)
    assert found.place == str(folders.graph / "set")
    assert found.pattern == ("" if text.endswith(("set", "/")) else text.rpartition("/")[2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file:///etc/a.tar", "is a file on this computer"),
        ("local:///etc/a.tar", "is a file on this computer"),
        ("simplecache::https://h.example/a.tar", "is not an address that is read"),
        ("https://h.example/x::s3://b/a.tar", "is not an address that is read"),
        ("shell://x/a.tar", "is not an address that is read"),
        ("https://h.example/../a.tar", "leads out of its folder"),
        ("https://h.example/%2e%2e/a.tar", "leads out of its folder"),
        ("https://h.example/a/../../a.tar", "leads out of its folder"),
        ("../other/set", "is outside the folders that a graph may read"),
        ("../other/set/a-0.tar", "is outside the folders that a graph may read"),
        ("../other/set/a-{0,1}.tar", "is outside the folders that a graph may read"),
        ("link/set", "is outside the folders that a graph may read"),
        ("link/set/a-{0..1}.tar", "is outside the folders that a graph may read"),
        ("missing", "there is no folder 'missing'"),
        ("s{e,}t/a-0.tar", "has braces in the name of a folder"),
        ("", "the path is empty"),
    ],
)
def test_what_a_graph_may_not_read(folders, text, said):
    allow("https://h.example")
    with pytest.raises(InputError, match=said) as error:
        folders.shards(text)
    assert "\n" not in str(error.value)


def test_an_address_is_read_if_it_was_typed_or_allowed(folders):
    for address in ("s3://bucket/set", "https://h.example/set/a-{0..9}.tar"):
        with pytest.raises(InputError, match="which you have not allowed - allow it with"):
            folders.shards(address)
        assert folders.shards(address, trusted=True).is_remote
    allow("s3://bucket/set")
    assert folders.shards("s3://bucket/set") == Shards("s3://bucket/set")
    assert folders.shards("s3://bucket/set/a.tar") == Shards("s3://bucket/set", "a.tar")
    for other in ("s3://bucket/settle", "s3://bucket", "s3://bucket@evil/set", "gs://bucket/set"):
        assert not is_allowed(other)


@pytest.mark.parametrize("text", ["bucket/folder", "https://", "simplecache::s3://b", "/data"])
def test_what_is_no_address_can_not_be_allowed(folders, text):
    with pytest.raises(GraphError, match="it is not an address - write an address such as"):
        allow(text)


def test_secrets_in_an_address_are_not_shown(folders):
    address = "https://me:word@h.example/set?key=secret"
    assert without_secrets(address) == folders.portable(address) == "https://h.example/set"
    with pytest.raises(InputError) as error:
        folders.shards(address)
    assert "word" not in str(error.value)
    assert "secret" not in str(error.value)
