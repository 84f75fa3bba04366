"""Classifiers: training one, telling the class of pictures, testing on a dataset."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from .context import Context
from .contract import Seed, Steps, node
from .errors import NodeError, advised
from .sockets import Classifier, Dataset, Image, Table


class TrainedClassifier(NamedTuple):
    """What `train_classifier` gives."""

    classifier: Classifier
    curves: Table


@node(title="Train classifier", category="cnn", device=True)
def train_classifier(
    dataset: Dataset,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="residual: better on small sets; classic: two convolutions and pools"),
    ] = "residual",
    steps: Steps = 300,
    batch: Annotated[int, Field(ge=2, le=1024, description="Pictures in a step")] = 64,
    augment: Annotated[
        bool, Field(description="Mirror, shift and tint the pictures a little while training")
    ] = True,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedClassifier:
    """Train a convolutional network to tell a dataset's classes apart.

    The curves hold loss and accuracy on the training pictures by step; `evaluate_classifier`
    tells how it does on others.

    Raises: NodeError where the dataset has one class only.
    Paper: He et al. 2016, "Identity mappings in deep residual networks" (residual).
    """
    from ..models.classifier import train_classifier as train

    if len(dataset.classes) < 2:
        raise NodeError(
            "the dataset has one class only - put the pictures into a sub-folder for each class"
        )
    with advised("change the dataset or the widgets"):
        config, state, curves = train(
            dataset.images,
            dataset.labels,
            dataset.classes,
            method=method,
            steps=steps,
            batch=batch,
            augment=augment,
            seed=seed,
            numerics=ctx.numerics,
            checkpoint=ctx.checkpoint,
            report=ctx.progress,
        )
    return TrainedClassifier(Classifier(asdict(config), state), Table(dict(curves)))


@node(title="Classify", category="cnn", device=True)
def classify(classifier: Classifier, image: Image, *, ctx: Context) -> Table:
    """Tell the likeliest class of each picture, and how likely it is.

    Pictures are cropped and resized to the classifier's size. The table has columns image (from
    0), class, probability, and the probability of each class.
    """
    from ..models.blocks import fit_square
    from ..models.classifier import predict

    square = fit_square(image, classifier.size).mul(255).add(0.5).byte()
    probabilities = predict(classifier.network(ctx.device), square, ctx.numerics)
    best, index = probabilities.max(1)
    columns = {
        "image": list(range(len(square))),
        "class": [classifier.classes[i] for i in index.tolist()],
        "probability": best.tolist(),
    }
    for number, name in enumerate(classifier.classes):
        columns[f"p({name})"] = probabilities[:, number].tolist()
    return Table(columns)


class Evaluated(NamedTuple):
    """What `evaluate_classifier` gives."""

    table: Table
    confusion: Table


@node(title="Evaluate classifier", category="cnn", device=True)
def evaluate_classifier(classifier: Classifier, dataset: Dataset, *, ctx: Context) -> Evaluated:
    """Test a classifier on pictures it has not seen.

    `table` has columns metric and value: a row accuracy, then the share recognised of each class.
    `confusion` counts, for each true class (a row), what the pictures were taken for.

    Raises: NodeError where the dataset has a class that the classifier does not know, or its
    pictures another size.
    """
    import torch

    from ..models.classifier import predict

    if dataset.size != classifier.size:
        raise NodeError(
            f"the pictures are {dataset.size} px, the classifier's {classifier.size} px - load"
            " both in one size"
        )
    unknown = [name for name in dataset.classes if name not in classifier.classes]
    if unknown:
        raise NodeError(
            f"the classifier knows no class {unknown[0]!r} - test it on the classes it learned"
        )
    taken_for = predict(classifier.network(ctx.device), dataset.images, ctx.numerics).argmax(1)
    truth = torch.tensor([classifier.classes.index(name) for name in dataset.classes])
    count = len(classifier.classes)
    cells = torch.bincount(truth[dataset.labels] * count + taken_for, minlength=count * count)
    counts = cells.view(count, count)
    right, totals = counts.diagonal(), counts.sum(1)
    present = [i for i in range(count) if totals[i] > 0]
    shares = {classifier.classes[i]: float(right[i] / totals[i]) for i in present}
    table: dict[str, list[Any]] = {
        "metric": ["accuracy", *shares],
        "value": [float(right.sum() / totals.sum()), *shares.values()],
    }
    confusion: dict[str, list[Any]] = {"true class": list(classifier.classes)} | {
        name: counts[:, i].tolist() for i, name in enumerate(classifier.classes)
    }
    return Evaluated(Table(table), Table(confusion))
