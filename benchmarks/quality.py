"""How good the models are, held against bars and against plain models, over several seeds.

    python benchmarks/quality.py [--only PART ...] [--seeds 0 1 2] [--out DIR] [--cache DIR]

Parts: cnn, vae, base, gan, finetune, real (which needs the extra `bench`). Every training
is a node on a cache, so that an interrupted benchmark goes on where it was. Prints tables in
Markdown, and writes sheets of pictures, since figures alone can be fooled. The exit code is 1
where a bar is missed. Seconds are of CPU, which other work on the machine disturbs less.

Distances are Fréchet distances in the features of a judge: a CNN of ours, trained on pictures
that no other model sees. They are no FID. They are told in multiples of the distance between two
halves of real pictures, which nothing here was trained on either.
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
from quality_parts import Row, base, cnn, finetune, gan, vae
from quality_real import real
from quality_runs import Bench

PARTS: dict[str, Callable[[Bench, int], Iterator[Row]]] = {
    "cnn": cnn,
    "vae": vae,
    "base": base,
    "gan": gan,
    "finetune": finetune,
    "real": real,
}


def table(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Lines of a table in Markdown: a row for each model, its seeds beside each other."""
    names = list(next(iter(rows.values()))[0].figures)
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for model, runs in rows.items():
        cells = [
            " / ".join(_cell(run, name) for run in runs) + _bar(runs[0], name) for name in names
        ]
        yield f"| {model} | " + " | ".join(cells) + " |"


def _cell(run: Row, name: str) -> str:
    """A figure, in bold where it misses its bar."""
    value = run.figures[name]
    if math.isnan(value):
        text = "-"
    else:
        text = f"{value:.0f}" if name == "seconds" or value >= 100 else f"{value:.3g}"
    return f"**{text}**" if name in run.missed else text


def _bar(run: Row, name: str) -> str:
    """The bar of a figure in words, empty where it has none."""
    if name not in run.bars:
        return ""
    low, high = run.bars[name]
    if math.isinf(high):
        return f" (at least {low:g})"
    return f" (at most {high:g})" if low == 0 else f" ({low:g} to {high:g})"


def main() -> int:
    """Run the parts that are asked for; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("out/quality"))
    parser.add_argument("--cache", type=Path, default=Path("out/quality/cache"))
    chosen = parser.parse_args()
    bench = Bench(chosen.cache, chosen.out)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {bench.numerics.threads} threads, torch"
        f" {torch.__version__}, {bench.numerics.precision}; seeds {chosen.seeds}\n"
    )
    missed = []
    for name in chosen.only:
        rows: dict[str, list[Row]] = {}
        for seed in chosen.seeds:
            for row in PARTS[name](bench, seed):
                rows.setdefault(row.model, []).append(row)
                found = ", ".join(f"{n} {_cell(row, n)}" for n in row.figures)
                print(f"{name}, seed {seed}, {row.model}: {found}", file=sys.stderr, flush=True)
                missed += [f"{name}, {row.model}, seed {seed}: {n}" for n in row.missed]
        print(
            f"### {name}\n\n{inspect.getdoc(PARTS[name])}\n", *table(rows), "", sep="\n", flush=True
        )
    print("\n".join(["Missed:", *missed]) if missed else "All bars are reached.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
