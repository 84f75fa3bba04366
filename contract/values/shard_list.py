"""The list of the shards that a graph names: their names, sizes, and digests or times."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError
from ..shards import Shards, names_of, remember

if TYPE_CHECKING:
    from ...pictures.sources.shard_files import Shard, ShardFiles


class ShardList(NamedTuple):
    """Shards and their digest, in which their place does not count.

    source: the digest of the shards alone, by which their place is found.
    digest: the same, and also of what is beside them and not used, since this is reported.
    """

    files: ShardFiles
    shards: list[Shard]
    source: str
    digest: str


def list_shards(shards: Shards) -> ShardList:
    """Returns the list of shards, without reading them, and remembers their place.

    Raises: InputError if one is missing, or the list can't be made.
    """
    from ...pictures.packed import SourceError
    from ...pictures.sources.shard_files import MANIFEST, Shard, ShardFiles, digest_of_list

    is_list = shards.pattern.endswith(".json")
    names = names_of(shards.pattern) if shards.pattern and not is_list else None
    try:
        files = ShardFiles(shards.place)
        found = files.listed(names, shards.pattern if is_list else MANIFEST)
    except SourceError as error:
        raise InputError(f"{shards.name!r}: {error.what}", error.advice) from error
    except OSError as error:
        what = f"{shards.name!r} can't be read: {error.strerror or error}"
        raise InputError(what, "check the path, and who may read it") from error
    source = digest_of_list(found)
    remember(source, shards)
    notes = [Shard(note, 0, "") for note in files.notes]
    return ShardList(files, found, source, digest_of_list([*found, *notes]))
