"""What a classifier is trained on: labelled pictures, augmented if that is wished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch.nn import functional as F

from ..blocks import to_signed
from ..training.inputs import selected, selection
from .augment import CutMix, Recolouring, Repainting, shifted_places

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Examples(NamedTuple):
    """Chosen pictures, and how they are changed; None if they are not."""

    pictures: Any  # see `selection`
    labels: Tensor
    changes: tuple[Repainting, Recolouring, CutMix] | None


class ExampleSet:
    """Pictures uint8 (N, H, W, 3), perhaps on a GPU, and the numbers of their classes (N,)."""

    def __init__(
        self, images: Tensor, labels: Tensor, classes: int, augment: bool, recolour: bool = True
    ) -> None:
        """`recolour`: whether augmentation also changes colours and mixes pictures."""
        self.images, self.labels = images, labels
        self._classes, self._augment, self._recolour = classes, augment, recolour

    def choose(self, chosen: Tensor, random: torch.Generator) -> Examples:
        """Returns the chosen pictures, with random changes if the pictures are augmented."""
        labels = self.labels[chosen]
        if not self._augment:
            return Examples(selection(self.images, chosen), labels, None)
        count, (height, width) = len(chosen), self.images.shape[1:3]
        pictures = selection(self.images, shifted_places(chosen, height, width, random))
        if not self._recolour:
            return Examples(pictures, labels, None)
        repainting, recolouring = Repainting.draw(count, random), Recolouring.draw(count, random)
        changes = repainting, recolouring, CutMix.draw(count, height, width, random)
        return Examples(pictures, labels, changes)

    def pictures(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Returns the changed pictures (B, 3, H, W) in -1..1, and their shares of classes (B, C).

        `examples` must be on the device (see `send`), and so are the results.
        """
        pictures = to_signed(selected(self.images, examples.pictures))
        truth = F.one_hot(examples.labels, self._classes).float()
        if examples.changes is None:
            return pictures, truth
        repainting, recolouring, cutmix = examples.changes
        return cutmix.apply(recolouring.apply(repainting.apply(pictures)), truth)
