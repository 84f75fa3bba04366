"""Measures the quality of the models over several seeds, beside bars and plain models.

    python benchmarks/quality.py [--only PART ...] [--seeds 0 1 2] [--out DIR] [--cache DIR]
        [--packages DIR] [--device cpu] [--trial STEPS] [--blind]
    python benchmarks/quality.py --score-blind FILE [--out DIR]
    python benchmarks/quality.py --fid FOLDER --model FILE --inception FILE [--drawn 5000]

Parts: cnn, vae, base, gan, finetune, real, which needs the extra `bench`, and twemoji, which needs
the extra `pretrained` and npm. Only if named: few, few_without and looks (few pictures, the same
trainings, an hour and more of one core for each seed; they need the packages that
quality_imagenet.py names), pace, and sources (other real pictures), which also needs apt-get and
resvg_py. Every training is a node with a cache, so that an interrupted benchmark can be resumed.
The benchmark prints tables in Markdown. It also writes sheets of pictures, since figures alone can
mislead. The exit code is 1 if a bar is missed. Seconds are CPU time, which depends less on other
work on the machine.

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
from quality_blind import print_score, write_blind
from quality_few import few, few_without, pace
from quality_fid import print_fid
from quality_looks import looks
from quality_parts import Row, base, cnn, finetune, gan, vae
from quality_real import real
from quality_runs import Bench
from quality_sources import sources
from quality_twemoji import twemoji

PARTS: dict[str, Callable[[Bench, int], Iterator[Row]]] = {
    "cnn": cnn,
    "vae": vae,
    "base": base,
    "gan": gan,
    "finetune": finetune,
    "real": real,
    "twemoji": twemoji,
    "few": few,
    "few_without": few_without,
    "looks": looks,
    "pace": pace,
    "sources": sources,
}
ONLY_IF_NAMED = ("few", "few_without", "looks", "pace", "sources")


def table(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yields the lines of a table in Markdown, with a row for each model and all its seeds."""
    names = list(next(iter(rows.values()))[0].figures)
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for model, runs in rows.items():
        yield f"| {model} | " + " | ".join(_cells(runs, name) for name in names) + " |"


def mean_of(runs: Sequence[Row]) -> Row:
    """Returns a row with the means over all seeds, which has the bars for them."""
    names = runs[0].figures
    figures = {name: sum(run.figures[name] for run in runs) / len(runs) for name in names}
    return Row(f"{runs[0].model}: mean", figures, runs[0].mean_bars)


def _cells(runs: Sequence[Row], name: str) -> str:
    """Returns a figure of all seeds as text, with its bar; with all bars if they differ."""
    bars = [_bar(run, name) for run in runs]
    if len(set(bars)) == 1:
        return " / ".join(_cell(run, name) for run in runs) + bars[0]
    return " / ".join(_cell(run, name) + bar for run, bar in zip(runs, bars, strict=True))


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
        return f" (at least {low:.3g})"
    return f" (at most {high:g})" if low in (0, -math.inf) else f" ({low:g} to {high:g})"


def main() -> int:
    """Run the chosen parts. Returns 1 if a bar is missed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    usual = [name for name in PARTS if name not in ONLY_IF_NAMED]
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=usual)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("out/quality"))
    parser.add_argument("--cache", type=Path, default=Path("out/quality/cache"))
    parser.add_argument("--packages", type=Path, help="folder of unpacked packages of pictures")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps")
    parser.add_argument("--trial", type=int, default=0, help="steps of few, to try it out")
    parser.add_argument("--blind", action="store_true", help="cut samples of `few` to be named")
    parser.add_argument("--score-blind", type=Path, metavar="FILE", help="count right guesses")
    parser.add_argument("--fid", type=Path, metavar="FOLDER", help="real pictures of --model")
    parser.add_argument("--model", type=Path, help="a GAN as save_model writes it")
    parser.add_argument("--inception", type=Path, help="weights of InceptionV3")
    parser.add_argument("--drawn", type=int, default=5000, help="pictures to draw for --fid")
    options = parser.parse_args()
    if options.score_blind:
        return print_score(options.score_blind, options.out / "blind" / "answers.json")
    if options.fid:
        return print_fid(options.fid, options.model, options.inception, options.drawn)
    bench = Bench(options.cache, options.out, options.packages, options.trial, options.device)
    if options.blind:
        print(f"samples are in {write_blind(bench, options.seeds)}")
        return 0
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
        for mean in [mean_of(runs) for runs in rows.values() if runs[0].mean_bars]:
            rows[mean.model] = [mean]
            missed += [f"{name}, {mean.model}: {n}" for n in mean.missed]
        print(
            f"### {name}\n\n{inspect.getdoc(PARTS[name])}\n", *table(rows), "", sep="\n", flush=True
        )
    print("\n".join(["Missed:", *missed]) if missed else "All bars are reached.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
