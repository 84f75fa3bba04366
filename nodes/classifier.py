"""Classifiers: training, finding the class of pictures, and testing on a dataset."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Pictures, Table
from ..contract.values.models import Classifier
from ..contract.values.pictures import each_part
from ..contract.widgets import Advanced, Choices, Devices, Seed, Steps, Streams
from ..contract.wording import find_name, in_form_of, listed
from .review import rated

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.classifier.networks import ClassifierConfig
    from ..models.classifier.trainee import HeldOut
    from ..models.pretrained.network import PretrainedConfig
    from ..models.training.loop import TrainingResult


class TrainedClassifier(NamedTuple):
    """What `train_classifier` returns."""

    classifier: Classifier
    curves: Table
    report: Table | None
    confusion: Table | None


@node(
    title="Train classifier",
    category="train",
    version=6,
    device=True,
    words="cnn, recognise, image classifier, convolutional, teach, labels, finetune,"
    " 训练分类器, 识别图片, 微调",
)
def train_classifier(
    dataset: Annotated[Dataset, Streams],
    start: Annotated[
        Classifier | None, Field(description="A classifier from which the training continues")
    ] = None,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="Kind of network"),
        Choices({"residual": "better on small datasets", "classic": "two convolutions"}),
        Advanced,
    ] = "residual",
    steps: Steps = 300,
    batch: Annotated[int, Field(ge=2, le=1024, description="Pictures in each step"), Advanced] = 64,
    augment: Annotated[
        bool,
        Field(description="Mirror, shift, recolour and splice the pictures during the training"),
        Advanced,
    ] = True,
    held_out: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="Share of each class for testing and calibration, not for training",
        ),
        Advanced,
    ] = 0.1,
    seed: Seed = 0,
    devices: Devices = 1,
    ctx: Context,
) -> TrainedClassifier:
    """Train a convolutional network (CNN) to recognise the classes of a dataset.

    `curves` contains the loss and the accuracy on the training pictures by step. The pictures that
    are held out show how well the classifier works on other pictures: `report` and `confusion` are
    like the outputs of `evaluate_classifier`. They are also used to calibrate the probabilities. A
    class that is too small for this share is used for training as a whole. Identical pictures, and
    pictures of one group such as the pieces of a scan, are held out together or not at all. If no
    picture is held out, `report` and `confusion` are empty.

    Pictures that a review rated are drawn by their stars, as by `train_gan`; those with 0 stars are
    neither trained on nor held out.

    With `start`, the training continues from that classifier, with its method. It may be a saved
    model, a base model, or a model of another size. Classes with the same name are kept; the others
    are learned from the beginning.

    If `start` is a `pretrained_classifier`, a linear layer is fitted to its features first. Then
    this layer and the last part of the network are trained for `steps` steps. The trained network
    is the result if it recognises clearly more of the held-out pictures (by more than a standard
    error). Otherwise it is the linear layer, fitted again to all pictures, also the held-out ones;
    `report` and `confusion` are those of before. The log says which of the two it is. With
    `augment`, pictures are only mirrored and shifted, because recolouring makes these features
    worse. `method` is not used.

    If the dataset has only one class, there is nothing to learn: one step is done, the network
    finds this class in every picture, and a warning says so.

    Paper: He et al. 2016, "Identity mappings in deep residual networks" (residual); Guo et al.
    2017, "On calibration of modern neural networks"; McNemar 1947, "Note on the sampling error of
    the difference between correlated proportions or percentages" (standard error).
    """
    from ..models.classifier.calibration import metrics_and_confusion
    from ..models.classifier.trainee import ClassifierSettings
    from ..models.classifier.trainee import train_classifier as train
    from ..models.classifier.transfer import train_pretrained
    from ..models.pretrained.network import PretrainedConfig

    if len(dataset.classes) < 2:
        ctx.warn(
            "the dataset has only one class, so there is nothing to distinguish - put the pictures"
            " of each class into a sub-folder"
        )
        steps = 1
    dataset, draws = rated(dataset, ctx)
    settings = ClassifierSettings(
        seed=seed, method=method, batch=batch, augment=augment, held_out=held_out
    )
    run = replace(ctx.training_run, devices=devices)
    data = dataset.images, dataset.labels, dataset.classes, settings, run
    trained: TrainingResult[ClassifierConfig, HeldOut] | TrainingResult[PretrainedConfig, HeldOut]
    with advised("train with other pictures or settings, or without `start`"):
        if start is not None and start.is_pretrained:
            pretrained = PretrainedConfig.from_dict(start.config), start.state
            trained = train_pretrained(
                *data, steps=steps, start=pretrained, groups=dataset.groups, draws=draws
            )
        else:
            base = None if start is None else _base(start, dataset.classes)
            trained = train(*data, steps=steps, start=base, groups=dataset.groups, draws=draws)
    report, confusion = None, None
    if len(trained.extra.labels):
        report, confusion = map(Table, metrics_and_confusion(*trained.extra, dataset.classes))
    classifier = Classifier(asdict(trained.config), trained.state)
    return TrainedClassifier(classifier, Table(dict(trained.curves)), report, confusion)


def _base(
    start: Classifier, classes: tuple[str, ...]
) -> tuple[ClassifierConfig, dict[str, Tensor]]:
    """Returns config and weights of `start`. Its classes are named as those of the dataset."""
    from ..models.classifier.networks import ClassifierConfig

    config = ClassifierConfig.from_dict(start.config)
    return replace(config, classes=in_form_of(config.classes, classes)), start.state


@node(
    title="Classify",
    category="understand",
    device=True,
    words="label pictures, recognise, tag, predict, sort, 分类, 识别, 标签",
)
def classify(classifier: Classifier, image: Pictures, *, ctx: Context) -> Table:
    """Find the most probable class of each picture, and its probability.

    The pictures are cropped and resized to the size of the classifier. The probabilities are
    calibrated: of the pictures with a probability of 80 %, about 80 % are recognised correctly. The
    table has the columns image (counted from 0), class and probability, and a column with the
    probability of each class.
    """
    from ..models.blocks import fit_middle
    from ..models.classifier.networks import predict

    classifier.check_classes()
    height, width = classifier.height, classifier.width
    fitted = each_part(lambda part: fit_middle(part, height, width), image)
    fitted = fitted.mul(255).add(0.5).byte()
    network = classifier.network(ctx.device)
    probabilities = predict(network, fitted, ctx.numerics, progress=ctx.progress)
    best, index = probabilities.max(1)
    columns = {
        "image": list(range(len(fitted))),
        "class": [classifier.classes[i] for i in index.tolist()],
        "probability": best.tolist(),
    }
    for number, name in enumerate(classifier.classes):
        columns[f"p({name})"] = probabilities[:, number].tolist()
    return Table(columns)


class Evaluated(NamedTuple):
    """What `evaluate_classifier` returns."""

    table: Table
    confusion: Table


@node(
    title="Evaluate classifier",
    category="judge",
    version=2,
    device=True,
    words="accuracy, confusion matrix, test, score, 准确率, 测试",
)
def evaluate_classifier(classifier: Classifier, dataset: Dataset, *, ctx: Context) -> Evaluated:
    """Test a classifier on pictures that it was not trained on.

    `table` has the columns metric and value. Its rows are the accuracy; the negative
    log-likelihood (smaller is better); the expected calibration error, by how much the
    probabilities are too high or too low (0..1); and for each class, the share of its pictures that
    is recognised. `confusion` has a row for each true class, with the number of its pictures that
    are recognised as each class.

    Raises: NodeError if the dataset has a class that the classifier does not have, or pictures of
    another size.
    """
    import torch

    from ..models.classifier.calibration import metrics_and_confusion
    from ..models.classifier.networks import predict

    classifier.check_classes()
    classifier.check_size(dataset.height, dataset.width)
    known = [find_name(name, classifier.classes) for name in dataset.classes]
    if None in known:
        unknown = dataset.classes[known.index(None)]
        raise NodeError(
            f"the classifier has no class {unknown!r} of the dataset, only"
            f" {listed(classifier.classes)}",
            "name the sub-folders like these classes, or train a classifier on this dataset",
        )
    network = classifier.network(ctx.device)
    probabilities = predict(network, dataset.images, ctx.numerics, progress=ctx.progress)
    truth = torch.tensor([classifier.classes.index(str(name)) for name in known])
    table, confusion = metrics_and_confusion(
        probabilities, truth[dataset.labels], classifier.classes
    )
    return Evaluated(Table(table), Table(confusion))
