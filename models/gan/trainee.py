"""How a GAN trains, whatever the method: one step, the average, looks from outside, the preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import to_bytes
from ..training.average import Average
from ..training.in_parts import in_parts
from ..training.loop import Stateful, TrainingRun
from ..training.rng import rng
from ..training.sampler import micro_batches
from .batches import GROUP, LATENTS, PREVIEW, WATCH, Batches, TrainingSet
from .method import B, GanMethod, Metrics, adam
from .watch import Watch

MOST_COOL_STEPS = 500  # at the end, for a fifth of the training's steps
# The average's window grows with the run, an eighteenth of it, up to 1,000 steps: so a short
# training and a long one both end well without a schedule (compare Karras et al. 2024, EDM2).
EMA_DECAY = 0.999


class GanTrainee(Generic[B]):
    """A Trainee that does the steps of a method.

    cooling:  factor of the learning rates, below 1 in the last steps.
    age:      steps that a GAN started from has behind it.
    """

    def __init__(self, method: GanMethod[B], data: TrainingSet, run: TrainingRun) -> None:
        setup = method.setup
        self.method, self.config, self.settings = method, setup.config, setup.settings
        self._data, self._run, self._numerics = data, run, setup.numerics
        copy = self._numerics.place(method.blank_generator())
        self.average = Average(method.generator, copy, EMA_DECAY).eval()
        self.optimisers = {
            "generator_adam": adam(method.generator, method.betas[0]),
            "critic_adam": adam(method.critic, method.betas[1]),
        }
        self.batches = Batches(data, self.settings.batch, self.settings.seed)
        self.watch = Watch(data, self.settings.seed, self._numerics)
        self.cooling, self.age = 1.0, 0

    def stateful(self) -> Mapping[str, Stateful]:
        networks = dict(self.method.networks)
        return {
            "live": networks.pop("generator"),
            "average": self.average,
            "critic": networks.pop("critic"),
            "strength": self.method.augmentation.strength,
            "watch": self.watch,
            **self.optimisers,
            **networks,
        }

    def step(self, step: int) -> Metrics:
        """Do optimisation step number `step`: the critic's, then the generator's.

        A batch of large pictures goes through in slices, which are drawn once for either side,
        since together they would not fit.
        """
        method, metrics, signs = self.method, dict[str, Tensor](), []
        if step == 0 and not self.age:
            method.prepare(self._data, self._run)
        rates = method.rates(step, self.age)
        reals, classes = self._reals(step)
        z = self._latents(len(reals), step)
        slices = micro_batches(len(reals), self.config.size, GROUP)

        def batch_of(part: slice) -> B:
            return method.batch(reals[part], classes[part], z[part], (step, part.start))

        def learn(part: slice, loss: Tensor, found: Metrics) -> None:
            share = (part.stop - part.start) / len(reals)
            (loss * share).backward()
            for name, value in found.items():
                metrics[name] = metrics.get(name, 0) + value.detach() * share

        for part in slices:
            batch = batch_of(part)
            loss, scores, found = method.critic_loss(batch)
            signs.append(scores.detach().sign().flatten())
            learn(part, loss, found)
        self._update("critic_adam", rates[1])
        method.critic.requires_grad_(False)
        for part in slices:
            loss, found = method.generator_loss(batch if len(slices) == 1 else batch_of(part))
            learn(part, loss, found)
        method.critic.requires_grad_(True)
        if method.clip is not None:
            nn.utils.clip_grad_norm_(method.generator.parameters(), method.clip)
        self._update("generator_adam", rates[0])
        # Half the step makes the average's window half as long.
        self.average.update(method.generator, (self.age + step) // 2)
        self._look(step + 1)
        certainty = method.augmentation.follow(torch.cat(signs), self.settings.batch)
        return {**metrics, **certainty}

    def _reals(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1 and their class weights (B, C), on the device."""
        pictures, labels = self.batches.reals(step)
        weights = F.one_hot(labels, len(self.config.classes)).float()
        return pictures, self._numerics.put(weights)

    def _latents(self, count: int, *counters: int) -> Tensor:
        """(count, latent_dim) of N(0, 1), on the device."""
        random = rng(self.settings.seed, LATENTS, *counters)
        return self._numerics.put(torch.randn(count, self.config.latent_dim, generator=random))

    def _update(self, name: str, rate: float) -> None:
        """Let the named optimiser use up the gradients."""
        optimiser = self.optimisers[name]
        optimiser.param_groups[0]["lr"] = rate * self.cooling
        optimiser.step()
        optimiser.zero_grad()

    def _look(self, steps: int) -> None:
        """Take the look that may be due after so many steps."""
        if self.cooling == 1 and self.watch.is_due(steps):
            for line in self.watch.visit(steps, self.draw):
                self._run.log(f"step {steps}: {line}")

    def draw(self, labels: Tensor, stream: int = WATCH) -> Tensor:
        """Pictures of the average, of these classes: uint8 (N, S, S, 3); always the same ones."""
        weights = F.one_hot(labels, len(self.config.classes)).float()

        def drawn(z: Tensor, weights: Tensor) -> Tensor:
            with torch.no_grad(), self._numerics.autocast():
                return to_bytes(self.average.network(z, weights.to(z.device))).cpu()

        return in_parts(drawn, self._latents(len(labels), stream), weights, batch=64)

    def preview(self) -> Tensor:
        """Pictures of the average: uint8 (N, S, S, 3), up to eight classes in turn."""
        return self.draw(torch.arange(16) % min(len(self.config.classes), 8), PREVIEW)

    def weights(self) -> dict[str, Tensor]:
        """The networks' weights as they are stored: `generator.*` is the average."""
        networks = {**self.method.networks, "generator": self.average.network}
        return {
            f"{name}.{key}": value.detach().cpu()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }

    def cool_down(self, steps: int) -> None:
        """Some steps after the last one, at rates that fall to nothing.

        Large steps keep the weights in motion around what they tend to, and small ones let them
        settle there (Hu et al. 2024, 'MiniCPM', section 4: warm-up, stable, decay). No checkpoint
        contains these steps: a longer training goes on from where they began.
        """
        count = cool_steps(steps)
        for step in range(steps, steps + count):
            self.cooling = (steps + count - step) / (count + 1)
            self.step(step)
            self._run.progress(step + 1, steps + count, self.preview)


def cool_steps(steps: int) -> int:
    """How many steps a training of so many steps ends with, in addition."""
    return min(steps // 5, MOST_COOL_STEPS)
