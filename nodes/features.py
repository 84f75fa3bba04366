"""What a trained classifier lends to the training of other models: its feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.errors import NodeError
from ..contract.values.kinds import Classifier

if TYPE_CHECKING:
    from torch import nn


def features_of(classifier: Classifier, device: str) -> nn.Module:
    """The classifier's network as one that gives its feature maps."""
    from ..models.classifier.networks import Features, ResidualNet

    network = classifier.network(device)
    if not isinstance(network, ResidualNet):
        raise NodeError(
            "a classic classifier lends no features",
            "train it with method residual, or leave `classifier` unwired",
        )
    return Features(network)
