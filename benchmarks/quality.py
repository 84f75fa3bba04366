"""Measures the quality of the models over several seeds, beside bars and plain models.

    python benchmarks/quality.py [--only PART ...] [--seeds 0 1 2] [--out DIR] [--cache DIR]

Parts: cnn, vae, base, gan, finetune, real, which needs the extra `bench`, looks, which needs what
quality_looks.py names, and twemoji, which needs the extra `pretrained` and npm. Every training is a
node with a cache, so that an interrupted benchmark can be resumed. The benchmark prints tables in
Markdown. It also writes sheets of pictures, since figures alone can mislead. The exit code is 1 if
a bar is missed. Seconds are CPU time, which depends less on other work on the machine.

Distances are Fréchet distances in the features of a judge: a CNN that is trained on pictures that
no other model sees. They are not FID. They are reported as multiples of the distance between two
halves of real pictures, on which nothing is trained either.
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from quality_looks import looks
from quality_parts import Row, base, cnn, finetune, gan, vae
from quality_real import real
from quality_runs import Bench
from quality_twemoji import twemoji

PARTS: dict[str, Callable[[Bench, int], Iterator[Row]]] = {
    "cnn": cnn,
    "vae": vae,
    "base": base,
    "gan": gan,
    "finetune": finetune,
    "real": real,
    "looks": looks,
    "twemoji": twemoji,
}


def table(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yields the lines of a table in Markdown, with a row for each model and all its seeds."""
    names = list(next(iter(rows.values()))[0].figures)
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for model, runs in rows.items():
        cells = [
            " / ".join(_cell(run, name) for run in runs) + _bar(runs[0], name) for name in names
        ]
        yield f"| {model} | " + " | ".join(cells) + " |"


def _cell(run: Row, name: str) -> str:
    """Returns a figure as text, in bold if it misses its bar."""
    value = run.figures[name]
    if math.isnan(value):
        text = "-"
    else:
        text = f"{value:.0f}" if name == "seconds" or value >= 100 else f"{value:.3g}"
    return f"**{text}**" if name in run.missed else text


def _bar(run: Row, name: str) -> str:
    """Returns the bar of a figure as text, empty if it has none."""
    if name not in run.bars:
        return ""
    low, high = run.bars[name]
    if math.isinf(high):
        return f" (at least {low:g})"
    return f" (at most {high:g})" if low == 0 else f" ({low:g} to {high:g})"


def main() -> int:
    """Run the chosen parts. Returns 1 if a bar is missed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    usual = [name for name in PARTS if name != "looks"]
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=usual)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("out/quality"))
    parser.add_argument("--cache", type=Path, default=Path("out/quality/cache"))
    options = parser.parse_args()
    bench = Bench(options.cache, options.out)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {bench.numerics.threads} threads, torch"
        f" {torch.__version__}, {bench.numerics.precision}; seeds {options.seeds}\n"
    )
    missed = []
    for name in options.only:
        rows: dict[str, list[Row]] = {}
        for seed in options.seeds:
            for row in PARTS[name](bench, seed):
                rows.setdefault(row.model, []).append(row)
                figures = ", ".join(f"{n} {_cell(row, n)}" for n in row.figures)
                print(f"{name}, seed {seed}, {row.model}: {figures}", file=sys.stderr, flush=True)
                missed += [f"{name}, {row.model}, seed {seed}: {n}" for n in row.missed]
        print(
            f"### {name}\n\n{inspect.getdoc(PARTS[name])}\n", *table(rows), "", sep="\n", flush=True
        )
    print("\n".join(["Missed:", *missed]) if missed else "All bars are reached.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
