"""Classifiers: training one, telling the class of pictures, testing on a dataset."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Pictures, Table
from ..contract.values.models import Classifier
from ..contract.values.pictures import each_part
from ..contract.widgets import Choices, Seed, Steps


class TrainedClassifier(NamedTuple):
    """What `train_classifier` gives."""

    classifier: Classifier
    curves: Table
    report: Table | None
    confusion: Table | None


@node(title="Train classifier", category="cnn", version=4, device=True)
def train_classifier(
    dataset: Dataset,
    start: Classifier | None = None,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="The kind of network"),
        Choices({"residual": "better on small sets", "classic": "two convolutions and pools"}),
    ] = "residual",
    steps: Steps = 300,
    batch: Annotated[int, Field(ge=2, le=1024, description="Pictures in a step")] = 64,
    augment: Annotated[
        bool,
        Field(description="Mirror, shift, recolour and splice the pictures while training"),
    ] = True,
    held_out: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="Share of each class to test and calibrate with instead of training on it",
        ),
    ] = 0.1,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedClassifier:
    """Train a convolutional network to tell a dataset's classes apart.

    The curves hold loss and accuracy on the training pictures by step. Pictures held out tell how
    it does on others (`report` and `confusion`, as `evaluate_classifier` gives them) and make its
    probabilities honest. A class too small for that share is trained on as a whole; where none is
    held out, there is no report.

    With `start`, the training goes on from that classifier, by its method: a saved one, a base
    model, or one of another size. Classes are matched by name, others are learned anew.

    Raises: NodeError where the dataset has one class only.
    Paper: He et al. 2016, "Identity mappings in deep residual networks" (residual); Guo et al.
    2017, "On calibration of modern neural networks".
    """
    from ..models.classifier.calibration import metrics_and_confusion
    from ..models.classifier.networks import ClassifierConfig
    from ..models.classifier.trainee import ClassifierSettings
    from ..models.classifier.trainee import train_classifier as train

    if len(dataset.classes) < 2:
        raise NodeError(
            "the dataset has one class only", "put the pictures into a sub-folder for each class"
        )
    with advised("change the dataset or the widgets"):
        trained = train(
            dataset.images,
            dataset.labels,
            dataset.classes,
            ClassifierSettings(
                seed=seed, method=method, batch=batch, augment=augment, held_out=held_out
            ),
            ctx.training_run,
            steps=steps,
            start=None
            if start is None
            else (ClassifierConfig.from_dict(start.config), start.state),
        )
    report, confusion = None, None
    if len(trained.extra.labels):
        report, confusion = map(Table, metrics_and_confusion(*trained.extra, dataset.classes))
    classifier = Classifier(asdict(trained.config), trained.state)
    return TrainedClassifier(classifier, Table(dict(trained.curves)), report, confusion)


@node(title="Classify", category="cnn", device=True)
def classify(classifier: Classifier, image: Pictures, *, ctx: Context) -> Table:
    """Tell the likeliest class of each picture, and how likely it is.

    Pictures are cropped and resized to the classifier's size. Probabilities are calibrated: of
    the pictures it is 80 % sure of, about 80 % are right. The table has columns image (from
    0), class, probability, and the probability of each class.
    """
    from ..models.blocks import fit_square
    from ..models.classifier.networks import predict

    square = each_part(lambda part: fit_square(part, classifier.size), image)
    square = square.mul(255).add(0.5).byte()
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


@node(title="Evaluate classifier", category="cnn", version=2, device=True)
def evaluate_classifier(classifier: Classifier, dataset: Dataset, *, ctx: Context) -> Evaluated:
    """Test a classifier on pictures it has not seen.

    `table` has columns metric and value. Its rows: accuracy; negative log-likelihood, the smaller
    the better; expected calibration error, by how much the probabilities are too high or too low
    (0..1); then the share recognised of each class. `confusion` counts, for each true class (a
    row), what the pictures were taken for.

    Raises: NodeError where the dataset has a class that the classifier does not know, or its
    pictures another size.
    """
    import torch

    from ..models.classifier.calibration import metrics_and_confusion
    from ..models.classifier.networks import predict

    classifier.check_size(dataset.size)
    unknown = [name for name in dataset.classes if name not in classifier.classes]
    if unknown:
        raise NodeError(
            f"the classifier knows no class {unknown[0]!r}", "test it on the classes it learned"
        )
    probabilities = predict(classifier.network(ctx.device), dataset.images, ctx.numerics)
    truth = torch.tensor([classifier.classes.index(name) for name in dataset.classes])
    table, confusion = metrics_and_confusion(
        probabilities, truth[dataset.labels], classifier.classes
    )
    return Evaluated(Table(table), Table(confusion))
