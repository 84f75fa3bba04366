"""Commands about nodes and graph files: list, write, convert, edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..contract.errors import GraphError, unwritable
from ..runner.store.place import cache_folder
from .options import (
    USUAL_INPUT,
    AllowOption,
    CacheOption,
    DeviceOption,
    Executor,
    ExecutorOption,
    GraphArgument,
    JsonOption,
    OutOption,
    PackOption,
    RayAddressOption,
    RemoteOption,
    cluster_of,
    file_at,
    folder_at,
)

app = typer.Typer()


@app.command()
def nodes(
    node: Annotated[str | None, typer.Argument(help="The id of one node to describe.")] = None,
    about: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="List the nodes about this, such as gif or morph."),
    ] = None,
    pack: PackOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a page of Markdown.")] = False,
) -> None:
    """List all nodes, or describe one."""
    from ..contract.registry import load_nodes
    from ..contract.wording import suggestion
    from .about import nodes_about
    from .reference import node_data, node_lines, node_list, node_rows, reference_page

    registry = load_nodes(pack or ())
    if about is not None:
        registry = nodes_about(registry, about)
    if node is not None and node not in registry:
        hint = suggestion(node, registry, "`artgraph nodes` lists all nodes")
        raise GraphError(f"there is no node {node!r}", hint)
    if as_json:
        data = (
            node_data(registry[node]) if node else [node_data(spec) for spec in registry.values()]
        )
        typer.echo(json.dumps(data))
    elif markdown:
        described = {node: registry[node]} if node else registry
        typer.echo(reference_page(described), nl=False)
    else:
        listed = node_list if about is None else node_rows  # those that fit best first
        typer.echo("\n".join(node_lines(registry[node]) if node else listed(registry)))


@app.command()
def graphs(as_json: JsonOption = False) -> None:
    """List the graphs that come with artgraph."""
    from ..editors.formats.load import shipped_graphs
    from ..runner.graph.document import read_document

    rows = [(name, read_document(path)) for name, path in shipped_graphs().items()]
    if as_json:
        typer.echo(json.dumps([{"name": name, "file": d.file, **d.about} for name, d in rows]))
        return
    for name, document in rows:
        typer.echo(f"{name:16} {document.about.get('about', '')}")


@app.command()
def new(
    file: Annotated[
        Path, typer.Argument(parser=file_at, metavar="FILE", help="The graph file to write.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a graph with comments, as a start for your own."""
    from .starter import STARTER

    if file.exists() and not force:
        raise GraphError(f"{file}: already exists", "name another file, or add --force")
    try:
        file.write_text(STARTER, encoding="utf-8")
    except OSError as error:
        raise unwritable(file, error) from error
    typer.echo(f"wrote {file}; run it with `artgraph run {file}`")


@app.command()
def convert(
    source: GraphArgument,
    target: Annotated[
        Path,
        typer.Argument(
            parser=file_at, metavar="TARGET", help="A .yaml, .json, .api.json or .png file."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    pack: PackOption = None,
) -> None:
    """Convert a graph to YAML or to a format of ComfyUI.

    The suffix of the target chooses the format: .yaml, .json (ComfyUI's workflow), .api.json
    (ComfyUI's API format) or .png. A PNG must exist; the graph is added to it.
    """
    from ..contract.registry import load_nodes
    from ..editors.formats.convert import API_ENDING, check, write_graph
    from ..editors.formats.load import load_document
    from ..runner.graph.bound import Omitted
    from ..runner.graph.modes import without_modes

    registry = load_nodes(pack or ())
    document = load_document(source)
    flat = check(document, registry)  # other formats do not support graphs inside graphs
    document = document if target.suffix.lower() in (".yaml", ".yml") else flat
    if target.exists() and target.suffix.lower() != ".png" and not force:
        raise GraphError(f"{target}: already exists", "name another file, or add --force")
    typer.echo(f"{target}: {write_graph(document, target, registry)}")
    omitted = without_modes(flat, registry)[1]
    if not target.name.lower().endswith(API_ENDING):  # the other formats have muted nodes
        omitted = Omitted(unread=omitted.unread)
    if omitted.line:
        typer.echo(f"{target}: does not contain: {omitted.line}", err=True)
    for note in document.notes:
        typer.echo(f"{target}: {note}", err=True)


@app.command()
def schema(pack: PackOption = None) -> None:
    """Print the JSON Schema of graph files.

    Text editors use it to complete and check graphs.
    """
    from ..contract.registry import load_nodes
    from ..editors.formats.json_schema import graph_schema

    typer.echo(json.dumps(graph_schema(load_nodes(pack or ())), indent=2))


@app.command()
def edit(
    graph: Annotated[
        str | None,
        typer.Argument(help="The graph to open; by default one that comes with artgraph."),
    ] = None,
    folder: Annotated[
        Path,
        typer.Option(
            parser=folder_at("--folder "), metavar="PATH", help="The folder of your graphs."
        ),
    ] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 uses any free port.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Listen here, such as 0.0.0.0; other computers connect with a token.",
        ),
    ] = None,
    out: OutOption = Path("out"),
    input_: Annotated[
        Path,
        typer.Option(
            "--input",
            parser=folder_at("--input "),
            metavar="PATH",
            help="Another folder that graphs may read, besides their own.",
        ),
    ] = USUAL_INPUT,
    allow_source: AllowOption = None,
    cache: CacheOption = None,
    cache_remote: RemoteOption = None,
    device: DeviceOption = "auto",
    executor: ExecutorOption = Executor.local,
    ray_address: RayAddressOption = None,
    pack: PackOption = None,
) -> None:
    """Open the visual editor. It needs `pip install 'artgraph[edit]'`."""
    from ..editors.server.start import edit as open_editor

    cluster_of(executor, ray_address, pack, cache_remote)  # checks the options
    if cache_remote:
        from ..runner.store.remote_address import create_folder

        create_folder(cache_remote, "--cache-remote ")
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
        executor=executor.value,
        ray_address=ray_address,
        remote=cache_remote,
        packs=tuple(pack or ()),
    )
