"""The rules by which `training_advice` chooses, with the measurement that each comes from.

All figures are in the tables at the top. docs/models.md shows them, and a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

FILES = {  # the shipped GANs, and what they were trained on
    "gan_64": "eight painted styles",
    "gan_clipart_64": "clip art of things",
}
NEAR = 0.2  # a base already draws pictures of a kind if their kernel distance is at most this
EDGE = 64  # edge of the pictures that the bases draw


@dataclass(frozen=True)
class Rule:
    """How many steps are useful. The first rule that fits is used.

    known:    the base for whose own classes it is meant, if the base already draws such pictures.
    scratch:  whether it is only for a training without a base.
    pictures: the largest number of pictures for which it is meant.
    spread:   the largest difference between the pictures for which it is meant (`Seen.spread`).
    plain:    the largest share of pictures on a plain ground for which it is meant.
    features: whether pretrained features help.
    """

    steps: int
    why: str
    measured: str
    known: str = ""
    scratch: bool = False
    pictures: float = math.inf
    spread: float = math.inf
    plain: float = 1.0
    features: bool = True


RULES = (
    Rule(
        60,
        "the base already draws these classes",
        "base/gan_64 as shipped: 98.3 % are recognised as the style that was asked for",
        known="gan_64",
        features=False,
    ),
    Rule(
        200,
        "all pictures are in one manner, without things on a plain ground",
        "60 prints of one style: 96 to 100 % are recognised after 170 steps, none is a copy",
        spread=0.75,
        plain=0.3,
        pictures=300,
        features=False,
    ),
    Rule(
        600,
        "so few pictures are copied without a base",
        "30 emoji from scratch, 1,000 steps: copies under speckle (novelty 0.53)",
        scratch=True,
        pictures=100,
    ),
    Rule(
        1000,
        "with so few pictures, copies follow",
        "30 emoji: things after 1,000 steps (novelty 0.84 to 0.89), copies after 3,000 (0.42)",
        pictures=100,
    ),
    Rule(
        3000,
        "longer trainings were not measured",
        "456 emoji: measured up to 400 steps; 30 emoji: no copies before 1,000",
        pictures=1000,
    ),
    Rule(
        10_000,
        "the pictures hardly improve later",
        "4,096 paintings of 32 px: 3.6 floors after 1,044 steps, 1.06 after 10,583",
    ),
)

FEATURES_MEASURED = (
    "30 emoji: 0.24 from unseen ones after 100 steps with them, from a base of clip art; as shipped"
    " before (170 steps from gan_64, without them) 0.35"
)
STEP_MEASURED = (
    "21 evaluations of 4 trainings on emoji: rank correlation with another network 0.81 with"
    " pretrained features, 0.33 without"
)
BASE_MEASURED = "456 emoji: crisper after 4 minutes from gan_64 than after 12 from scratch"

# The time of a training, in steps of the machine's speed, which is that of a plain step at 64 px.
FEATURES_STEP = 1.6  # a step with pretrained features
LOOK, FEATURES_LOOK = 8, 14  # an evaluation of `progress`; more for pretrained features
FIRST_NETWORK = 40  # the small network that a training from scratch trains first
_MANTISSAS = (1, 1.5, 2, 3, 4, 6, 8)
GRID = tuple(int(m * 10**power) for power in range(1, 6) for m in _MANTISSAS)  # numbers of steps


@dataclass(frozen=True)
class Seen:
    """What is seen in a dataset.

    spread:    mean distance between two pictures, in the lengths of their feature vectors.
    fine:      share of the contrast that is in details of one or two pixels, 0 to 1.
    plain:     share of the pictures whose edges have one colour.
    distances: by base, the kernel distance of these pictures to those that it draws.
    known:     the bases that have all classes of the pictures, by name.
    """

    pictures: int
    classes: int
    height: int
    width: int
    spread: float
    fine: float
    plain: float
    distances: dict[str, float] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wish:
    """What the user wants; None or 0 leaves it to the rules.

    base:     a base, or "none".
    features: whether to use pretrained features.
    """

    minutes: float
    speed: float
    steps: int = 0
    base: str | None = None
    features: bool | None = None
    mine_only: bool = False


@dataclass(frozen=True)
class Choice:
    """What is chosen. Each reason consists of why, and the measurement behind it."""

    base: str | None
    features: bool
    steps: int
    at_step: int  # as that of `train_gan`
    minutes: float
    reasons: dict[str, tuple[str, str]]
    onward: str  # how to continue after these steps
    short: str  # the same, for a title

    @property
    def summary(self) -> str:
        """A title for pictures that the GAN draws, of about 60 letters."""
        return f"Drawn after {self.steps:,} steps ({max(1, round(self.minutes))} min); {self.short}"


def choose(seen: Seen, wish: Wish, installed: bool) -> Choice:
    """Returns the advice; `installed` says whether the pretrained network is."""
    base, base_reason = _base(seen, wish)
    rule = next(r for r in RULES if _fits(r, seen, base))
    features, features_reason = _features(wish, rule, installed)

    def minutes(steps: int) -> float:
        return minutes_of(steps, wish.speed, features, base is None, seen.height * seen.width)

    affordable = max((s for s in GRID if minutes(s) <= wish.minutes), default=GRID[0])
    steps = wish.steps or min(rule.steps, affordable)
    most = f"at most {rule.steps:,}: {rule.why}"
    if wish.steps:
        why, onward = "set by hand", "to continue, raise the steps"
        short = "set by hand"
    elif rule.steps <= affordable:
        why, onward = rule.why, "to continue nevertheless, set the steps yourself"
        short = "more steps only if you set them"
    else:
        enough = math.ceil(minutes(rule.steps))
        short = f"{rule.steps:,} need minutes: {enough}"
        why = f"all that {_plural(wish.minutes, 'minute')} allow ({most})"
        onward = f"to continue up to {rule.steps:,} steps, set minutes to {enough}"
    reasons = {
        "base": base_reason,
        "features": features_reason,
        "steps": (why, "" if wish.steps else rule.measured),
        "at_step": (
            "the nearest to your pictures, of those that are not copies"
            if features
            else "the last one: without pretrained features, the distance cannot choose",
            STEP_MEASURED,
        ),
    }
    at_step = -1 if features else 0
    return Choice(base, features, steps, at_step, minutes(steps), reasons, onward, short)


def _base(seen: Seen, wish: Wish) -> tuple[str | None, tuple[str, str]]:
    if wish.mine_only:
        return None, ("mine_only: the model learns from nothing but these pictures", "")
    if wish.base is not None:
        return (None if wish.base == "none" else wish.base), ("set by hand", "")
    if not seen.distances:
        smaller = "it draws larger pictures than these" if _edge(seen) < EDGE else "none is there"
        return None, (f"no base is used: {smaller}", "")
    by_distance = sorted(seen.distances, key=lambda name: seen.distances[name])
    others = ", ".join(f"{name} {seen.distances[name]:.2g}" for name in by_distance)
    return by_distance[0], (f"it draws what is most similar (distances: {others})", BASE_MEASURED)


def _features(wish: Wish, rule: Rule, installed: bool) -> tuple[bool, tuple[str, str]]:
    if wish.mine_only:
        return False, ("mine_only: the model learns from nothing but these pictures", "")
    if wish.features is not None:
        return wish.features, ("set by hand", "")
    if not rule.features:
        return False, (rule.why, "")
    if not installed:
        why = 'not installed; things become clearer with pip install "artgraph[pretrained]" (17 MB)'
        return False, (why, FEATURES_MEASURED)
    return True, ("they know things: eyes, wheels, outlines", FEATURES_MEASURED)


def _fits(rule: Rule, seen: Seen, base: str | None) -> bool:
    known = rule.known in seen.known and seen.distances.get(rule.known, math.inf) <= NEAR
    return (
        (not rule.known or (base == rule.known and known))
        and (not rule.scratch or base is None)
        and seen.pictures <= rule.pictures
        and seen.spread <= rule.spread
        and seen.plain <= rule.plain
    )


def minutes_of(steps: int, speed: float, features: bool, scratch: bool, pixels: int) -> float:
    """Returns how long a training takes on a machine that does `speed` steps in a minute."""
    size = pixels / EDGE**2
    looks = sum(1 for _ in _looks(steps)) + 1
    each = FEATURES_STEP if features else 1.0
    total = size * each * (steps + min(steps // 5, 500))
    total += looks * (size * LOOK + (FEATURES_LOOK if features else 0))
    return (total + (size * FIRST_NETWORK if scratch else 0)) / speed


def _looks(steps: int) -> Iterator[int]:
    yield from range(100, min(steps, 1000) + 1, 100)
    yield from range(1500, steps + 1, 500)


def _edge(seen: Seen) -> float:
    return math.sqrt(seen.height * seen.width)


def _plural(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def coarse(value: float) -> float:
    """Returns a positive number rounded to the nearest power of the square root of 2."""
    return math.pow(2, round(2 * math.log2(value)) / 2)
