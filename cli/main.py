"""The commands. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..contract.errors import ArtgraphError, Cancelled
from ..runner.store.place import size_of
from .cache import app as cache_app
from .data import app as data_app
from .devices import app as devices_app
from .graphs import app as file_app
from .interruption import Interruption
from .options import (
    USUAL_INPUT,
    AllowOption,
    CacheOption,
    DeviceOption,
    EventsOption,
    Executor,
    ExecutorOption,
    ForceOption,
    GraphArgument,
    InputOption,
    JobsOption,
    JsonOption,
    MemoryOption,
    NoCacheOption,
    OnlyOption,
    OutOption,
    PackOption,
    QuietOption,
    RayAddressOption,
    RemoteOption,
    SampleOption,
    SeedOption,
    SetOption,
    SweepOption,
    ZipOption,
    cluster_of,
    collect_rarely,
    number_of_jobs,
    open_store,
    warn,
)
from .output import finish, protect
from .plan import plan_lines

if TYPE_CHECKING:
    from ..runner.graph.bound import Graph
    from ..runner.run.compute import Computed

app = typer.Typer(
    help="Deep-learning art as a graph of typed nodes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; print an error as one line and exit with its code."""
    protect()
    collect_rarely()
    warnings.filterwarnings("always", "out of memory")  # show it for each node, not only once
    warnings.filterwarnings("ignore", module=r"PIL\.")  # they do not name the file
    warnings.showwarning = lambda message, *_, **__: warn(str(message))
    try:
        app()
    except ArtgraphError as error:
        print(error, file=sys.stderr)
        sys.exit(finish(error.exit_code, "output"))
    except _WorkEnded:
        raise
    except SystemExit as end:
        sys.exit(finish(end.code, "output") if isinstance(end.code, int) else end.code)


@app.command()
def run(
    graph: GraphArgument,
    set_: SetOption = None,
    only: OnlyOption = None,
    force: ForceOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = USUAL_INPUT,
    allow_source: AllowOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    cache_remote: RemoteOption = None,
    device: DeviceOption = "auto",
    executor: ExecutorOption = Executor.local,
    ray_address: RayAddressOption = None,
    pack: PackOption = None,
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    as_json: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a graph, and reuse the results that were computed before."""
    from tempfile import TemporaryDirectory

    from ..runner.run.device_option import all_numerics_for
    from ..runner.run.job import Job
    from ..runner.run.pictures import run_of
    from ..runner.run.publish import Publisher
    from .progress import make_listener

    interruption = Interruption()
    remote = None if no_cache else cache_remote
    cluster = cluster_of(executor, ray_address, pack, remote)
    bound = _load(graph, set_, input_, out, pack, quiet)
    numerics, *others = [cluster.numerics(device)] if cluster else all_numerics_for(device)
    number = number_of_jobs(jobs, 1 + len(others), cluster)
    folder = out / bound.document.name
    with (
        # what `kill -9` leaves behind would never be removed, so it is only made if it is needed
        (
            TemporaryDirectory(prefix="artgraph-", ignore_cleanup_errors=True)
            if no_cache
            else nullcontext("")
        ) as temporary,
        open_store(
            Path(temporary) if no_cache else cache, remote, required=cluster is not None
        ) as store,
    ):
        listener = make_listener(as_json, quiet, str(folder))
        publisher = Publisher(folder, bound.document.yaml())
        job = Job(
            bound,
            store,
            numerics,
            publisher,
            listener,
            previews=None if quiet else 5.0,
            jobs=number,
            memory=size_of("--memory ", memory),
            others=tuple(others),
            cluster=cluster,
        )
        running = interruption.follow(run_of(job))
        running.execute(only or (), force or ())
    _leave(running.exit_code)


@app.command()
def sweep(
    graph: GraphArgument,
    set_: SweepOption,
    zip_: ZipOption = None,
    sample: SampleOption = None,
    seed: SeedOption = 0,
    only: OnlyOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = USUAL_INPUT,
    allow_source: AllowOption = None,
    cache: CacheOption = None,
    cache_remote: RemoteOption = None,
    device: DeviceOption = "auto",
    executor: ExecutorOption = Executor.local,
    ray_address: RayAddressOption = None,
    pack: PackOption = None,
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    as_json: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run every combination of some settings.

    Contact sheets of the pictures and tables of the results are written meanwhile and at the end.
    """
    from ..contract.registry import load_nodes
    from ..editors.formats.load import folders_of, load_document
    from ..runner.run.axes import parse_space
    from ..runner.run.device_option import all_numerics_for
    from ..runner.run.events import Listener
    from ..runner.run.execute import Run
    from ..runner.run.job import Failures, Job
    from ..runner.run.publish import Publisher
    from ..runner.run.sweep import Combination, Sweep, run_all
    from ..runner.run.sweep_files import SweepFiles
    from .sweep_progress import make_sweep_listener

    interruption = Interruption()
    space = parse_space(set_, zip_ or (), sample, seed)
    cluster = cluster_of(executor, ray_address, pack, cache_remote)
    max_memory = size_of("--memory ", memory)
    registry, document = load_nodes(pack or ()), load_document(graph)
    folder = out / document.name / "sweep"
    the_sweep = Sweep(document, registry, folders_of(document, input_, out), space)
    combinations = the_sweep.combinations()
    first = the_sweep.check(combinations, only or ())
    if not quiet:
        _report_omitted(first)
    numerics, *others = [cluster.numerics(device)] if cluster else all_numerics_for(device)
    number = number_of_jobs(jobs, 1 + len(others), cluster)
    listener = make_sweep_listener(as_json, quiet, str(folder), len(combinations))
    failures: Failures = {}
    computed: dict[str, Computed] = {}

    def job_of(graph: Graph, listener: Listener, folder: Path) -> Job:
        return Job(
            graph,
            store,
            numerics,
            Publisher(folder, graph.document.yaml()),
            listener,
            previews=None,
            jobs=number,
            memory=max_memory,
            others=tuple(others),
            cluster=cluster,
            failures=failures,
            ahead=computed,
        )

    ahead = None
    if cluster is not None:
        from ..runner.cluster.sweep import Ahead  # only now, since local sweeps do not need it

        ahead = Ahead(
            cluster,
            lambda places: (the_sweep.graph(combinations[place].settings) for place in places),
            len(combinations),
            lambda graph, listener: job_of(graph, listener, folder),
            listener,
            only or (),
        )

    def start(combination: Combination, listener: Listener) -> tuple[Graph, Run]:
        if ahead is not None:
            interruption.follow(ahead).reach(combination.number - 1)
        bound = the_sweep.graph(combination.settings)
        return bound, interruption.follow(Run(job_of(bound, listener, combination.folder)))

    with (
        open_store(cache, cache_remote, required=cluster is not None) as store,
        SweepFiles(combinations, space, folder) as files,
    ):
        with ahead or nullcontext():
            code = run_all(combinations, store, start, listener, only or (), files.update)
        listener(files.finish(code == Cancelled.exit_code))
    _leave(code)


@app.command()
def plan(
    graph: GraphArgument,
    set_: SetOption = None,
    only: OnlyOption = None,
    force: ForceOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = USUAL_INPUT,
    allow_source: AllowOption = None,
    cache: CacheOption = None,
    cache_remote: RemoteOption = None,
    device: DeviceOption = "auto",
    pack: PackOption = None,
    time: Annotated[
        bool, typer.Option("--time", help="Also show how long it will take, by earlier runs.")
    ] = False,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do with each node, in which order, and why."""
    from ..runner.run.device_option import all_numerics_for
    from ..runner.run.plan_table import plan_table, total_of

    numerics, *others = all_numerics_for(device)
    bound = _load(graph, set_, input_, out, pack)
    with open_store(cache, cache_remote, uploads=False) as store:
        rows = plan_table(bound, store, numerics, only or (), force or ())
    if as_json:
        typer.echo(json.dumps([row.plain() for row in rows]))
        return
    total = total_of(rows, bound, number_of_jobs(jobs, 1 + len(others)), 1 + len(others))
    for line in plan_lines(rows, total if time else None):
        typer.echo(line)


@app.command()
def validate(
    graph: GraphArgument,
    set_: SetOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = USUAL_INPUT,
    allow_source: AllowOption = None,
    pack: PackOption = None,
) -> None:
    """Check a graph, and report all problems with file, line and node."""
    bound = _load(graph, set_, input_, out, pack)
    typer.echo(f"{bound.document.file}: {len(bound.nodes)} nodes, no problem")


def _load(
    graph: str,
    settings: list[str] | None,
    input_: Path,
    out: Path,
    packs: list[str] | None,
    quiet: bool = False,
) -> Graph:
    from ..contract.registry import load_nodes
    from ..editors.formats.load import load_graph

    bound = load_graph(graph, load_nodes(packs or ()), settings or (), input_, out)
    if not quiet:
        _report_omitted(bound)
    return bound


def _report_omitted(graph: Graph) -> None:
    """Print which nodes do not run, and what is not quite as in a file of ComfyUI."""
    if graph.omitted.line:
        typer.echo(f"{graph.document.file}: does not run: {graph.omitted.line}", err=True)
    for note in graph.document.notes:
        typer.echo(f"{graph.document.file}: {note}", err=True)


class _WorkEnded(SystemExit):
    """The end of a command whose purpose is not its output."""


def _leave(code: int) -> NoReturn:
    """Exit with this code, without waiting for threads of nodes that did not stop."""
    from ..runner.run.schedule import THREAD_NAME

    code = finish(code, "work")
    if any(thread.name.startswith(THREAD_NAME) for thread in threading.enumerate()):
        os._exit(code)
    raise _WorkEnded(code)


@app.callback(invoke_without_command=True)
def version_option(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Deep-learning art as a graph of typed nodes."""
    if version:
        from ..contract.version import version as artgraph_version

        typer.echo(f"artgraph {artgraph_version()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.add_typer(file_app)
app.add_typer(devices_app)
app.add_typer(data_app)
app.add_typer(cache_app, name="cache")
