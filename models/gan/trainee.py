"""The training steps of a GAN with any method, its average for drawing, and its preview."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import to_bytes
from ..training import team
from ..training.average import Average
from ..training.in_parts import in_parts
from ..training.inputs import Number, send
from ..training.loop import State, Stateful, TrainingRun
from ..training.rng import rng
from ..training.sampler import micro_batches
from ..training.steps import Steps
from ..training.team import Part
from .batches import GROUP, LATENTS, PREVIEW, WATCH, Batches, Chosen, TrainingSet
from .evaluation import Judge
from .kept import bytes_of, halved, is_look, kept_steps
from .method import B, Draws, GanMethod, Metrics, adam
from .watch import Watch

MAX_COOLDOWN_STEPS = 500  # largest number of cool-down steps; usually a fifth of the steps
# Decay of the average at the end of a long training. The window of the average is an eighteenth of
# the steps so far, up to 1,000 steps. So it suits short and long trainings without a schedule
# (compare Karras et al. 2024, EDM2).
EMA_DECAY = 0.999


class _Inputs(NamedTuple):
    reals: Chosen
    classes: Tensor  # class weights (B, C)
    latents: Tensor
    draws: list[Draws]  # of each part
    rates: tuple[Number, Number]  # of the generator and the critic
    weight: Number  # of the generator in the average


class GanTrainee(Generic[B]):
    """A Trainee for any method of training a GAN.

    rate_factor:  factor of the learning rates; below 1 in the cool-down steps.
    age:          number of earlier steps to assume for the GAN that the training continues from.
    """

    def __init__(
        self, method: GanMethod[B], data: TrainingSet, run: TrainingRun, judge: Judge
    ) -> None:
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
        self.watch = Watch(data, self.settings.seed, self._numerics, judge)
        norms = [team.share_norms(net) for net in (method.generator, method.critic)]
        slices = micro_batches(self.settings.batch, math.prod(self.config.shape), GROUP)
        self._parts = team.parts(slices, GROUP, any(norms) or method.together)
        self.steps = Steps(run)
        self.rate_factor, self.age = 1.0, 0

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
        """Do optimisation step number `step`, and evaluate the pictures if that is due."""
        if step == 0 and not self.age:
            self.method.prepare(self._data, self._run)
        metrics = self.steps.do(self, step)
        self._evaluate(step + 1)
        return metrics

    def compute(self, inputs: _Inputs) -> Metrics:
        """Do a step with inputs on the device: of the critic, then of the generator.

        A batch of large pictures is divided into slices. They do not fit into memory together, so
        each is generated twice: for the critic, and for the generator.
        """
        method, metrics, signs = self.method, dict[str, Tensor](), []
        reals, z, classes = self._data.pictures(inputs.reals), inputs.latents, inputs.classes
        parts = [*zip(self._parts, inputs.draws, strict=True)]

        def batch_of(part: Part, draws: Draws) -> B:
            return method.batch(reals[part.here], classes[part.here], z[part.here], draws)

        def backward(part: Part, loss: Tensor, part_metrics: Metrics) -> None:
            share = part.size / self.settings.batch
            (loss * share).backward()
            for name, value in part_metrics.items():
                metrics[name] = metrics.get(name, 0) + value.detach() * share

        for part, draws in parts:
            batch = batch_of(part, draws)
            loss, scores, part_metrics = method.critic_loss(batch)
            signs.append(scores.detach().sign().flatten())
            backward(part, loss, part_metrics)
        team.sum_gradients(method.critic)
        self._update("critic_adam", inputs.rates[1])
        method.critic.requires_grad_(False)
        for part, draws in parts:
            batch = batch if len(parts) == 1 else batch_of(part, draws)
            loss, part_metrics = method.generator_loss(batch)
            backward(part, loss, part_metrics)
        method.critic.requires_grad_(True)
        team.sum_gradients(method.generator)
        if method.clip is not None:
            nn.utils.clip_grad_norm_(method.generator.parameters(), method.clip)
        self._update("generator_adam", inputs.rates[0])
        self.average.update(method.generator, inputs.weight)
        certainty = method.augmentation.adapt(torch.cat(signs), self.settings.batch)
        return {**team.summed_metrics(metrics), **certainty}

    def inputs(self, step: int) -> _Inputs:
        """Returns what step number `step` needs, on the processor."""
        reals, labels = self.batches.reals(step)
        rates = self.method.rates(step, self.age)
        draws = [self._draws(part, step) for part in self._parts]
        of_batch = reals, self._class_weights(labels), self._latents(len(labels), step)
        return _Inputs(
            *team.own_rows(of_batch, self._parts),
            draws,
            (rates[0] * self.rate_factor, rates[1] * self.rate_factor),
            # Half the number of steps makes the window of the average half as long.
            self.average.weight((self.age + step) // 2),
        )

    def _draws(self, part: Part, step: int) -> Draws:
        """Returns the random numbers of a part, as they are in those of its slice."""
        first = part.batch.start - part.inner.start
        return self.method.draw(part.whole, step, first).of(part)

    def _class_weights(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self.config.classes)).float()

    def _latents(self, count: int, *counters: int) -> Tensor:
        """Returns latent vectors (count, latent_dim) of N(0, 1), on the processor."""
        random = rng(self.settings.seed, LATENTS, *counters)
        return torch.randn(count, self.config.latent_dim, generator=random)

    def _update(self, name: str, rate: Number) -> None:
        """Do a step of the named optimiser, and clear the gradients."""
        optimiser = self.optimisers[name]
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()

    def _evaluate(self, steps: int) -> None:
        """Evaluate the pictures and keep the weights if that is due; log warnings."""
        if not team.is_first():
            return
        if self.rate_factor == 1 and is_look(steps):
            self.watch.evaluate(steps, self.draw)
            self._keep(steps)
        for line in self.watch.news():
            self._run.log(line)

    def _keep(self, steps: int) -> None:
        """Keep the weights after so many steps, unless a longer training has left them out."""
        checkpoint = self._run.checkpoint
        kept = self.kept_steps(max([steps, *checkpoint.kept()]))
        if steps in kept:
            checkpoint.keep(steps, self.kept_weights(), kept)

    def kept_steps(self, steps: int) -> list[int]:
        """Returns the steps whose weights a training of `steps` steps keeps."""
        return kept_steps(steps, bytes_of(self._kept_networks))

    def kept_weights(self) -> State:
        """Returns the current weights in the form in which they are kept."""
        return halved(self._kept_networks)

    @property
    def _kept_networks(self) -> dict[str, nn.Module]:
        """The average and the critic; further networks do not change after the first step."""
        return {"generator": self.average.network, "critic": self.method.critic}

    def draw(self, labels: Tensor, stream: int = WATCH) -> Tensor:
        """Returns pictures of these classes by the average: uint8 (N, H, W, C).

        The latents are the same on every call with the same `stream`.
        """

        def draw_part(*part: Tensor) -> Tensor:
            z, weights = send(part, self._numerics.device)
            with torch.no_grad(), self._numerics.autocast():
                return to_bytes(self.average.network(z, weights)).cpu()

        latents, weights = self._latents(len(labels), stream), self._class_weights(labels)
        return in_parts(draw_part, latents, weights, batch=64)

    def preview(self) -> Tensor:
        """Returns pictures by the average, uint8 (16, H, W, C), of the first 8 classes in turn."""
        return self.draw(torch.arange(16) % min(len(self.config.classes), 8), PREVIEW)

    def weights(self) -> dict[str, Tensor]:
        """Returns the weights of the networks for storage; `generator.*` is the average."""
        networks = {**self.method.networks, "generator": self.average.network}
        return {
            f"{name}.{key}": value.detach().cpu()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }

    def cool_down(self, steps: int, run: TrainingRun) -> None:
        """Do the cool-down steps after step number `steps`: their learning rates fall to 0.

        With a constant rate the weights fluctuate around a minimum; with a falling rate they
        converge to it (Hu et al. 2024, 'MiniCPM', section 4: warm-up, stable, decay).
        Checkpoints do not contain these steps: a longer training continues from before them.
        """
        count = cooldown_steps(steps)
        for done in range(count):
            self.rate_factor = (count - done) / (count + 1)
            self.step(steps + done)
            run.progress(done + 1, count, self.preview)
        self.steps.close()


def cooldown_steps(steps: int) -> int:
    """Returns the number of cool-down steps that follow a training of so many steps."""
    return min(steps // 5, MAX_COOLDOWN_STEPS)
