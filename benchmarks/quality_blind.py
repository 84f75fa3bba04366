"""Single samples for somebody who names them without knowing what was learned.

`--blind` cuts them from the sheets of `few` into `blind/NN.png`, with the answers in a file beside
them, and `--score-blind FILE` counts the right guesses.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from quality_few import SETS, SHOWN, drawn_after, sheet_name, steps_of
from quality_judge import as_bytes
from quality_packages import twemoji
from quality_recipe import MINUTES, OURS
from quality_runs import Bench

SHEETS, EACH = 6, 10  # number of sheets, and of samples of each
ENLARGED = 256  # edge of a sample in pixels
TRUNCATION = 0.7  # as in the graphs finetune, my_gan and style_remix
RIGHT = 0.5  # lowest accepted share of right guesses


def write_blind(bench: Bench, seeds: Iterable[int]) -> Path:
    """Write single samples of six sheets in random order. Returns their folder.

    The sheets are drawn with the truncation of the shipped graphs. Their samples are chosen at
    random. `categories.txt` contains the categories to choose from, and `guesses.json` is a form
    for the guesses.
    """
    folder = bench.out / "blind"
    folder.mkdir(exist_ok=True)
    rng = random.Random(17)
    samples = []
    for seed, name in list(product(seeds, SETS))[:SHEETS]:
        steps = steps_of(bench, OURS, MINUTES[-1])
        results = drawn_after(bench, OURS, name, seed, steps, TRUNCATION)
        images = as_bytes(results.values["drawn.image"])[:SHOWN]
        classes = results.values["art"].classes
        sheet = sheet_name(OURS, name, seed, MINUTES[-1])
        for index in rng.sample(range(len(images)), EACH):
            answer = {"category": classes[index % len(classes)], "sheet": sheet, "sample": index}
            samples.append((Image.fromarray(images[index].numpy()), answer))
    rng.shuffle(samples)
    answers = {}
    for number, (picture, answer) in enumerate(samples, 1):
        enlarged = picture.resize((ENLARGED, ENLARGED), Image.Resampling.LANCZOS)
        enlarged.save(folder / f"{number:02}.png")
        answers[f"{number:02}"] = answer
    (folder / "answers.json").write_text(json.dumps(answers, indent=1))
    (folder / "guesses.json").write_text(json.dumps(dict.fromkeys(answers, ""), indent=1))
    (folder / "categories.txt").write_text("\n".join(twemoji(bench.packages)) + "\n")
    return folder


def score_blind(
    guesses: Mapping[str, str], answers: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Returns the share of right guesses of each sheet, and of `all` as the last one.

    A guess is right if its first word is that of the category. What was not guessed is wrong.
    """
    unknown = sorted(set(guesses) - set(answers))
    if unknown:
        raise SystemExit(f"there is no sample {unknown[0]} - use the numbers of the files")
    right = defaultdict(list)
    for number, answer in answers.items():
        for group in (answer["sheet"], "all"):
            right[group].append(_word(guesses.get(number, "")) == _word(answer["category"]))
    groups = [*sorted(set(right) - {"all"}), "all"]
    return {group: sum(right[group]) / len(right[group]) for group in groups}


def print_score(file: Path, answers: Path) -> int:
    """Print the shares of right guesses in a file. Returns 1 if fewer than half are right."""
    shares = score_blind(json.loads(file.read_text()), json.loads(answers.read_text()))
    for group, share in shares.items():
        print(f"{group}: {share:.0%} right")
    return 0 if shares["all"] >= RIGHT else 1


def _word(text: str) -> str:
    return (text.split() or [""])[0].casefold()
