"""The command line. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from ..nodes.errors import ArtgraphError, GraphError
from .cache_commands import app as cache_app
from .options import (
    CacheOption,
    DeviceOption,
    EventsOption,
    ForceOption,
    GraphArgument,
    InputOption,
    JsonOption,
    NoCacheOption,
    OnlyOption,
    OutOption,
    PackOption,
    QuietOption,
    SetOption,
    cache_folder,
    open_store,
    warn,
)

app = typer.Typer(
    help="Deep-learning art as a graph of typed nodes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cache_app, name="cache")


def main() -> None:
    """The entry point: errors become one line each and an exit code."""
    warnings.showwarning = lambda message, *_, **__: warn(str(message))
    try:
        app()
    except ArtgraphError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@app.command()
def run(
    graph: GraphArgument,
    set_: SetOption = None,
    only: OnlyOption = None,
    force: ForceOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = Path("input"),
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    device: DeviceOption = "auto",
    pack: PackOption = None,
    as_json: EventsOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a graph; what was computed before is reused."""
    from tempfile import TemporaryDirectory

    from .devices import numerics_for
    from .execute import Run
    from .progress import make_listener
    from .publish import Publisher

    numerics = numerics_for(device)
    bound = _load(graph, set_, input_, out, pack)
    folder = out / bound.document.name
    with (
        TemporaryDirectory(prefix="artgraph-") as temporary,
        open_store(Path(temporary) if no_cache else cache) as store,
    ):
        listener = make_listener(as_json, quiet, str(folder))
        publisher = Publisher(folder, bound.document.yaml())
        running = Run(bound, store, numerics, publisher, listener, previews=None if quiet else 5.0)
        _stop_on_interrupt(running)
        running.execute(only or (), force or ())
    raise typer.Exit(running.exit_code)


@app.command()
def plan(
    graph: GraphArgument,
    set_: SetOption = None,
    only: OnlyOption = None,
    force: ForceOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = Path("input"),
    cache: CacheOption = None,
    device: DeviceOption = "auto",
    pack: PackOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would run, be reused or be extended, and why."""
    from .devices import numerics_for
    from .plan import make_plan, why

    numerics = numerics_for(device)
    bound = _load(graph, set_, input_, out, pack)
    with open_store(cache) as store:
        steps = make_plan(bound, store, numerics, only or (), force or ())
        rows = [
            {
                "node": step.node.name,
                "type": step.node.spec.id,
                "action": step.action,
                "from_step": step.from_step,
                "why": why(step, store, step.node.name in (force or ())),
                "key": step.key.digest if step.key else None,
            }
            for step in steps
        ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    width = max((len(str(row["node"])) for row in rows), default=0)
    for row in rows:
        typer.echo(f"{row['node']:{width}}  {row['action']:6}  {row['why']}")


@app.command()
def validate(
    graph: GraphArgument,
    set_: SetOption = None,
    out: OutOption = Path("out"),
    input_: InputOption = Path("input"),
    pack: PackOption = None,
) -> None:
    """Check a graph; all problems at once, each with file, line and node."""
    bound = _load(graph, set_, input_, out, pack)
    typer.echo(f"{bound.document.file}: {len(bound.nodes)} nodes, no problem")


@app.command()
def nodes(
    node: Annotated[str | None, typer.Argument(help="One node's id, for all about it.")] = None,
    pack: PackOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="All nodes as a page.")] = False,
) -> None:
    """List the nodes, or tell all about one."""
    from ..nodes.registry import load_nodes
    from ..nodes.wording import suggestion
    from .reference import node_data, node_lines, node_list, reference_page

    registry = load_nodes(pack or ())
    if node is not None and node not in registry:
        raise GraphError(f"there is no node {node!r} - {suggestion(node, registry)}")
    if as_json:
        data = (
            node_data(registry[node])
            if node
            else [node_data(registry[n]) for n in sorted(registry)]
        )
        typer.echo(json.dumps(data))
    elif markdown:
        shown = {node: registry[node]} if node else registry
        typer.echo(reference_page(shown), nl=False)
    else:
        typer.echo("\n".join(node_lines(registry[node]) if node else node_list(registry)))


@app.command()
def graphs(as_json: JsonOption = False) -> None:
    """List the shipped graphs."""
    from .document import read_document
    from .load import shipped_graphs

    rows = [(name, read_document(path)) for name, path in shipped_graphs().items()]
    if as_json:
        typer.echo(json.dumps([{"name": name, "file": d.file, **d.about} for name, d in rows]))
        return
    for name, document in rows:
        typer.echo(f"{name:16} {document.about.get('about', '')}")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The graph file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented graph to start from."""
    from .starter import STARTER

    if file.exists() and not force:
        raise GraphError(f"{file}: is there already - name another file, or add --force")
    try:
        file.write_text(STARTER, encoding="utf-8")
    except OSError as error:
        raise GraphError(f"{file}: can't be written: {error.strerror} - check the path") from error
    typer.echo(f"{file} is written; run it with `artgraph run {file}`")


@app.command()
def convert(
    source: GraphArgument,
    target: Annotated[Path, typer.Argument(help="A .yaml, .json, .api.json or .png file.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    pack: PackOption = None,
) -> None:
    """Convert a graph: YAML, ComfyUI's workflow (.json) and API format (.api.json), PNG.

    A PNG must be there already; the graph is put into it.
    """
    from ..editors.convert import check, write_graph
    from ..nodes.registry import load_nodes
    from .load import load_document

    registry = load_nodes(pack or ())
    document = load_document(source)
    check(document, registry)
    if target.exists() and target.suffix.lower() != ".png" and not force:
        raise GraphError(f"{target}: is there already - name another file, or add --force")
    typer.echo(f"{target}: {write_graph(document, target, registry)}")


@app.command()
def schema(pack: PackOption = None) -> None:
    """Print the JSON Schema of graph files, for editors that complete and check."""
    from ..editors.schema import graph_schema
    from ..nodes.registry import load_nodes

    typer.echo(json.dumps(graph_schema(load_nodes(pack or ())), indent=2))


@app.command()
def edit(
    graph: Annotated[
        str | None, typer.Argument(help="The graph to open; a shipped one where none is named.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where your graphs are, and are saved.")] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    listen: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let other machines in, by a token; such as 0.0.0.0."),
    ] = None,
    out: OutOption = Path("out"),
    input_: InputOption = Path("input"),
    cache: CacheOption = None,
    device: DeviceOption = "auto",
    pack: PackOption = None,
) -> None:
    """Open the visual editor; needs `pip install 'artgraph[edit]'`."""
    from ..editors.edit import edit as open_editor

    open_editor(
        graph=graph,
        folder=folder,
        port=port,
        browser=browser,
        listen=listen,
        out=out,
        input_=input_,
        cache=cache_folder(cache),
        device=device,
        packs=tuple(pack or ()),
    )


def _load(
    graph: str, settings: list[str] | None, input_: Path, out: Path, packs: list[str] | None
) -> Any:
    from ..nodes.registry import load_nodes
    from .load import load_graph

    return load_graph(graph, load_nodes(packs or ()), settings or (), input_, out)


def _stop_on_interrupt(running: Any) -> None:
    """Ctrl-C stops at the next step, with a checkpoint; a second one stops at once."""

    def handler(number: int, frame: FrameType | None) -> None:
        running.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("stopping at the next step; press Ctrl-C again to stop at once", file=sys.stderr)

    signal.signal(signal.SIGINT, handler)


@app.callback(invoke_without_command=True)
def version_option(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Deep-learning art as a graph of typed nodes."""
    if version:
        from .. import __version__

        typer.echo(f"artgraph {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
