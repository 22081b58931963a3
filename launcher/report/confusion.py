"""Which classes a classifier takes for which, and how often it is right about each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from launcher.report.examination import Examination

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PAIRS = 15


class ClassScore(NamedTuple):
    """How well one class is known; None for a share of nothing.

    Attributes:
        name: the class's.
        precision: the share of what was called so that is so.
        recall: the share of what is so that was called so.
        f1: their harmonic mean.
        support: how many samples are of the class.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class Pair(NamedTuple):
    """A confusion: `samples` samples of class `truth` were called `predicted` (numbers of classes)."""

    truth: int
    predicted: int
    samples: int


@dataclass(frozen=True)
class Confusion:
    """What a classifier said of its validation data.

    Attributes:
        labels: the names of the classes.
        matrix: int (classes, classes); the row is the true class, the column the predicted one.
        scores: of each class.
        accuracy: from 0 to 1.
        loss: the mean cross-entropy, in nats.
    """

    labels: list[str]
    matrix: npt.NDArray[np.int64]
    scores: list[ClassScore]
    accuracy: float
    loss: float

    @property
    def samples(self) -> int:
        return int(self.matrix.sum())

    @property
    def mistakes(self) -> int:
        return self.samples - int(self.matrix.trace())

    def pairs(self) -> list[Pair]:
        """The most frequent confusions, the most frequent first."""
        import numpy as np

        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
        rows, columns = np.unravel_index(order, wrong.shape)
        found = [Pair(int(i), int(j), int(wrong[i, j])) for i, j in zip(rows, columns)]
        return [pair for pair in found if pair.samples]


def measure(examination: Examination) -> Confusion:
    """Of an examination of a classifier."""
    from sklearn import metrics

    labels = [str(label) for label in examination.content["classifier"]["labels"]]
    truth, probabilities = examination.arrays["truth"], examination.arrays["probabilities"]
    predicted, classes = examination.predictions, list(range(len(labels)))
    matrix = metrics.confusion_matrix(truth, predicted, labels=classes)
    columns = metrics.precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=float("nan"))
    scores = [
        ClassScore(label, _share(precision), _share(recall), _share(f1), int(support))
        for label, precision, recall, f1, support in zip(labels, *columns)
    ]
    accuracy = float(metrics.accuracy_score(truth, predicted))
    # In double precision the rows add up to 1 as nearly as it wants them to.
    exact = probabilities.astype("float64")
    exact /= exact.sum(axis=1, keepdims=True)
    return Confusion(labels, matrix, scores, accuracy, float(metrics.log_loss(truth, exact, labels=classes)))


def _share(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
