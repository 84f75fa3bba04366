"""`artgraph data PATH`: what a folder or an archive of pictures contains, without a graph."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..contract.errors import InputError
from ..contract.widgets import PACKED
from .interruption import Interruption
from .options import CacheOption, JsonOption, file_at, folder_at, open_store, path_at
from .output import finish
from .progress import Bars, Quiet

if TYPE_CHECKING:
    from ..runner.run.events import Event

app = typer.Typer()

_TABLES = (".csv", ".tsv", ".jsonl")


@app.command()
def data(
    source: Annotated[
        Path,
        typer.Argument(
            parser=path_at,
            metavar="PATH",
            help="A folder of pictures, a zip, tar or Parquet file of them, or a table of labels"
            " (CSV, TSV, JSONL) that is beside them.",
        ),
    ],
    table: Annotated[
        str, typer.Option(help="The table of labels beside the pictures, or none.")
    ] = "",
    label: Annotated[str, typer.Option(help="The column with the classes.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=folder_at("--out "),
            metavar="PATH",
            help="Save a sheet with pictures of each class in this folder, as data/sheet.png.",
        ),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            parser=file_at,
            metavar="FILE",
            help="A review of the pictures: which to drop, move, crop and rate.",
        ),
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report what a folder or an archive of pictures contains, and what to fix before a training.

    The classes are the sub-folders, or the labels of a table or a Parquet file. No file is changed.
    """
    from ..contract.registry import load_nodes
    from ..runner.graph.binding import bind
    from ..runner.graph.document import document_of
    from ..runner.graph.folders import Folders
    from ..runner.graph.yaml_text import Typed
    from ..runner.run.device_option import all_numerics_for
    from ..runner.run.execute import Run
    from ..runner.run.job import Job
    from ..runner.run.publish import Publisher

    if not source.exists():
        raise InputError(f"there is no folder or file {str(source)!r}", "check the path")
    if source.is_file() and source.suffix.lower() in _TABLES:
        source, table = source.parent, table or source.name
    if not source.is_dir() and not source.name.lower().endswith(PACKED):
        what = f"{str(source)!r} is not a folder, and not a zip, tar or Parquet file"
        raise InputError(what, "name the folder that contains it")
    folder = source if source.is_dir() else source.parent
    path = str(review)
    settings = {"pictures.review": Typed(path, path, f"--review {path}")} if review else None
    interruption = Interruption()
    numerics = all_numerics_for("cpu")[0]
    with TemporaryDirectory(prefix="artgraph-", ignore_cleanup_errors=True) as temporary:
        place = (out or Path(temporary)) / "data"
        graph = bind(
            document_of(_graph("." if source.is_dir() else source.name, table, label), "", folder),
            load_nodes(),
            Folders(folder, folder, out or folder),
            settings,
        )
        messages = _Messages(show_bars=not as_json and sys.stdout.isatty())
        with open_store(cache) as store:
            job = Job(graph, store, numerics, Publisher(place, ""), messages, previews=None)
            running = interruption.follow(Run(job))
            running.execute([] if out else ["report"])
            if running.exit_code == 0:
                report = {
                    name: store.value(graph.nodes["report"].spec.outputs[name].sockets[0], stored)
                    for name, stored in running.results["report"].outputs.items()
                    if name != "image"
                }
    if running.exit_code:
        raise typer.Exit(finish(running.exit_code, "work"))
    _show(report, messages.lines, as_json)


def _graph(source: str, table: str, label: str) -> dict[str, Any]:
    """Returns the graph of the report, so that its results are stored in the cache."""
    widgets = {"folder": source, "size": 64, "aspect": "auto", "table": table, "label": label}
    return {
        "artgraph": 1,
        "nodes": {
            "pictures": {"node": "load_dataset", "with": widgets},
            "report": {
                "node": "dataset_report",
                "from": {"dataset": "pictures"},
                "with": {"folder": source},
            },
            "sheet": {"node": "save_image", "from": {"image": "report.image"}},
        },
    }


class _Messages(Bars):
    """Shows bars if that is wished, prints failures, and collects the warnings."""

    def __init__(self, show_bars: bool) -> None:
        super().__init__("")
        self.lines: list[str] = []
        self._show_bars = show_bars

    def __call__(self, event: Event) -> None:
        from ..runner.run.events import Warned

        if isinstance(event, Warned):
            self.lines.append(event.message)
        if self._show_bars:
            super().__call__(event)
        else:
            Quiet.__call__(self, event)

    def line(self, event: Event) -> str | None:
        return None


def _show(report: dict[str, Any], warnings: list[str], as_json: bool) -> None:
    """Print the report as JSON or as a table with lines of advice."""
    columns: dict[str, list[Any]] = report["table"].columns
    advice = report["advice"].splitlines()
    if as_json:
        rows = [
            dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
        typer.echo(json.dumps({"classes": rows, "warnings": warnings, "advice": advice}))
        return
    cells = [
        [name, *("" if cell is None else str(cell) for cell in column)]
        for name, column in columns.items()
    ]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        first, *rest = (
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        typer.echo("  ".join([first, *rest]).rstrip())
    typer.echo()
    for line in [*warnings, *advice]:
        typer.echo(f"- {line}")
