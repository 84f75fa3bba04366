"""Options and functions that several commands use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import ArtgraphError, CacheError, GraphError, InputError
from ..contract.paths import typed_file, typed_folder, typed_path
from ..contract.shards import allow
from ..runner.store.place import cache_folder

if TYPE_CHECKING:
    from ..runner.cluster.ray_cluster import RayCluster
    from ..runner.store.store import Store

USUAL_INPUT = Path("input")
MOST_JOBS = 256


def folder_at(source: str) -> Callable[[str | Path], Path]:
    """Returns the parser of an option that names a folder, such as `--out `."""
    return lambda text: typed_folder(str(text), source)


def file_at(text: str | Path) -> Path:
    """Returns the path of a file that is an argument of the command line."""
    return typed_file(str(text))


def path_at(text: str | Path) -> Path:
    """Returns a path that is an argument of the command line."""
    return typed_path(str(text))


def existing_input(text: str | Path) -> Path:
    """Returns the folder of `--input`. It must exist, unless it is the usual one.

    Raises: GraphError, InputError.
    """
    path = typed_folder(str(text), "--input ")
    if text != USUAL_INPUT and not path.exists():
        raise InputError(f"--input {text}: there is no such folder", "check the path")
    return path


GraphArgument = Annotated[
    str,
    typer.Argument(
        help="A YAML file, a .json file of ComfyUI, a PNG that contains its graph, or a name from"
        " `artgraph graphs`."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NODE.WIDGET=VALUE", help="A setting, or knobs.NAME=VALUE; repeatable."
    ),
]
SweepOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NODE.WIDGET=VALUE,VALUE,...",
        help="The values of a setting or of knobs.NAME, also ranges such as 1..9, 0..1:0.1,"
        " 0..1/5 or 1..1000x10; repeatable, to try all combinations.",
    ),
]
ZipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--zip",
        metavar="NODE.WIDGET,NODE.WIDGET",
        help="Settings that change together instead of in all combinations; repeatable.",
    ),
]
SampleOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=100_000, help="Run so many combinations only, drawn at random by --seed."
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="The seed of --sample.")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="NODE", help="Run this node and the nodes it needs; repeatable."
    ),
]
ForceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--force", metavar="NODE", help="Run this node even if its result is stored; repeatable."
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        parser=lambda text: typed_path(str(text), "--cache "),
        metavar="PATH",
        help="The folder of the cache.",
        show_default="$ARTGRAPH_CACHE or the usual folder",
    ),
]
RemoteOption = Annotated[
    str | None,
    typer.Option(
        "--cache-remote",
        metavar="URL",
        envvar="ARTGRAPH_CACHE_REMOTE",
        help="A cache shared by computers, such as s3://bucket/folder or sftp://host/folder.",
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        parser=folder_at("--out "),
        metavar="PATH",
        help="The folder for outputs; each graph has a sub-folder of its name.",
    ),
]
InputOption = Annotated[
    Path,
    typer.Option(
        "--input",
        parser=existing_input,
        metavar="PATH",
        help="Another folder that graphs may read, besides their own.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda, cuda:1 or mps; cuda+compile also compiles long trainings, and"
        " cuda+graphs replays their steps as CUDA graphs; cuda:0,cuda:1 or cuda:all uses several"
        " GPUs at the same time."
    ),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-source",
        parser=lambda address: allow(str(address)),
        metavar="URL",
        help="An address that graphs may read pictures from, with all below it; repeatable.",
    ),
]
PackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pack", metavar="MODULE", help="A module or .py file that contains nodes; repeatable."
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        max=MOST_JOBS,
        help="Number of nodes that may run at the same time.",
        show_default="one per core, at most 4, or one more than there are devices",
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory for the inputs of nodes that run at the same time, such as 2GB.",
        show_default="half of the memory",
    ),
]


class Executor(StrEnum):
    """What computes the nodes."""

    local = "local"
    ray = "ray"


ExecutorOption = Annotated[
    Executor,
    typer.Option(help="What computes the nodes: this machine, or a Ray cluster (extra `ray`)."),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="The Ray cluster, such as 10.0.0.1:6379.",
        show_default="$RAY_ADDRESS, or the cluster on this machine, or else one for this command",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Neither reuse nor store results.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print failures only.")]
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON event per line on standard output.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def open_store(
    folder: Path | None, remote: str | None = None, uploads: bool = True, required: bool = False
) -> Iterator[Store]:
    """Open the store in this folder, and close it at the end.

    uploads:  whether results are uploaded to the remote cache.
    required: whether nothing can be computed without the remote cache.
    """
    from ..runner.store.store import Store

    second = None
    if remote:
        from ..runner.store.remote import Remote
        from ..runner.store.remote_address import create_folder

        second = Remote(remote, warn, uploads)
        if create_folder(remote, "--cache-remote "):
            print(f"the folder of the remote cache {second.url} is new", file=sys.stderr)
        if required:
            second.check()
    store = Store(cache_folder(folder), warn, second)
    try:
        yield store
    except BaseException:
        with suppress(ArtgraphError, OSError):  # an error of the block must remain visible
            store.close()
        raise
    store.close()


def open_existing_store(folder: Path | None) -> AbstractContextManager[Store]:
    """Returns the store in a folder. A named folder must contain one, so a typo creates nothing.

    Raises: CacheError.
    """
    if folder is not None and not (folder / "index.sqlite").is_file():
        raise CacheError(f"there is no cache in {folder}", "choose its folder with --cache")
    return open_store(folder)


def warn(message: str) -> None:
    """Print a warning as one line on standard error."""
    print(f"warning: {message}", file=sys.stderr)


def cluster_of(
    executor: Executor, address: str | None, packs: list[str] | None, remote: str | None
) -> RayCluster | None:
    """Returns the cluster of `--executor ray`, or None for `--executor local`.

    Raises: GraphError.
    """
    if executor == Executor.local:
        if address is not None:
            raise GraphError(f"--ray-address {address}: no cluster is used", "add --executor ray")
        return None
    from ..runner.cluster.ray_cluster import RayCluster

    return RayCluster(address, packs or (), remote, warn)


def number_of_jobs(jobs: int | None, devices: int, cluster: RayCluster | None = None) -> int:
    """Returns how many nodes may run at the same time, from --jobs and the number of devices.

    cluster: the cluster on which they run, which has its own limit.
    """
    if cluster is not None:
        return jobs or MOST_JOBS
    if jobs is not None:
        if jobs < devices:
            warn(
                f"--jobs {jobs}: not all of the {devices} devices can be used at the same time"
                f" - use --jobs {devices + 1}"
            )
        return jobs
    from ..runner.run.job import default_jobs

    return default_jobs(devices)


def collect_rarely() -> None:
    """Collect cyclic garbage less often, since a graph's objects are needed until the end.

    The collections took a fifth of the time of a cached run of 10,000 nodes.
    """
    import gc

    gc.set_threshold(100_000, 50, 50)
