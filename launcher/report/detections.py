"""How often a detector finds the objects of each class, and how often what it finds is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.report.examination import Examination

if TYPE_CHECKING:
    import numpy.typing as npt


class ClassScore(NamedTuple):
    """How well the objects of one class are found; None for a share of nothing.

    Attributes:
        name: the class's.
        objects: how many there are in the pictures that were looked at.
        found: how many boxes were found, from the threshold on.
        right: how many of those are right, and so how many of the objects are found.
        average_precision: the area under the curve of precision over recall, as of Pascal VOC.
        best_f1: the harmonic mean of precision and recall where it is highest.
        best_threshold: the probability from which on boxes would have to count for that.
    """

    name: str
    objects: int
    found: int
    right: int
    average_precision: float | None
    best_f1: float | None
    best_threshold: float | None

    @property
    def missed(self) -> int:
        return self.objects - self.right

    @property
    def false(self) -> int:
        return self.found - self.right

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.objects if self.objects else None


@dataclass(frozen=True)
class Detections:
    """What a detector found in its validation pictures.

    Attributes:
        labels: the names of the classes.
        scores: of each class.
        precisions: float (classes, 101), at recalls from 0 to 1.
        map: the mean average precision, from 0 to 1.
        threshold: the probability from which on a box counts as found.
        pictures: how many were looked at.
        available: how many there are.
        mistaken: in how many of those that were looked at there is a mistake.
    """

    labels: list[str]
    scores: list[ClassScore]
    precisions: npt.NDArray[Any]
    map: float
    threshold: float
    pictures: int
    available: int
    mistaken: int

    @property
    def objects(self) -> int:
        return sum(score.objects for score in self.scores)

    @property
    def right(self) -> int:
        return sum(score.right for score in self.scores)

    @property
    def false(self) -> int:
        return sum(score.false for score in self.scores)

    def most_frequent(self, count: int) -> list[int]:
        """The numbers of so many classes that have most objects, in their order; of those that are found at all."""
        kinds = [kind for kind, score in enumerate(self.scores) if score.average_precision]
        return sorted(sorted(kinds, key=lambda kind: -self.scores[kind].objects)[:count])


def measure(examination: Examination) -> Detections:
    """Of an examination of a detector."""
    content = examination.content["detector"]
    labels = [str(label) for label in content["labels"]]
    scores = [ClassScore(label, **one) for label, one in zip(labels, content["classes"])]
    named = {name: content[name] for name in ("map", "threshold", "pictures", "available", "mistaken")}
    return Detections(labels, scores, examination.arrays["precisions"], **named)
