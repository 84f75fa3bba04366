"""Commands about nodes and graph files: list, write, convert, edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..nodes.errors import GraphError
from .options import (
    CacheOption,
    DeviceOption,
    GraphArgument,
    InputOption,
    JsonOption,
    OutOption,
    PackOption,
)
from .place import cache_folder

app = typer.Typer()


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
        raise GraphError(f"there is no node {node!r}", suggestion(node, registry))
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
        raise GraphError(f"{file}: is there already", "name another file, or add --force")
    try:
        file.write_text(STARTER, encoding="utf-8")
    except OSError as error:
        raise GraphError(f"{file}: can't be written: {error.strerror}", "check the path") from error
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
    flat = check(document, registry)  # other formats know no graphs inside graphs
    document = document if target.suffix.lower() in (".yaml", ".yml") else flat
    if target.exists() and target.suffix.lower() != ".png" and not force:
        raise GraphError(f"{target}: is there already", "name another file, or add --force")
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
