"""What an epoch of a recommender comes to, counted batch by batch."""

from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from gluon_job.cluster import Cluster
from gluon_job.progress import Epoch

IGNORED = -1e30  # the label of a pair that counts nothing


class Squares:
    """Counts the errors of an epoch.

    Attributes:
        samples: counted so far.
        loss: the sum of their squared errors.
    """

    def __init__(self) -> None:
        self.samples, self.loss = 0, 0.0

    def add(self, outcome: List[Tuple[Any, np.ndarray]]) -> None:
        """Waits for a group of batches and counts it."""
        for scores, labels in outcome:
            used = labels > IGNORED / 2
            self.samples += int(used.sum())
            self.loss += self._loss(scores.asnumpy()[used].astype(np.float64), labels[used])

    def text(self) -> str:
        """For a line of progress."""
        name, value = next(iter(self._metrics(self.samples, self.loss).items()))
        return f"{name}={value:.6f}"

    def epoch(self, number: int, cluster: Cluster, validation: Mapping[str, float], seconds: float) -> Epoch:
        """What the epoch came to on all hosts together, with the validation's metrics."""
        samples, loss = cluster.sum("epoch", [self.samples, self.loss])
        score = self._score(validation) if validation else None
        return Epoch(number, self._metrics(samples, loss), validation, samples / seconds, score)

    @staticmethod
    def _loss(scores: np.ndarray, labels: np.ndarray) -> float:
        return float(np.square(scores - labels).sum())

    @staticmethod
    def _metrics(samples: float, loss: float) -> Dict[str, float]:
        return {"rmse": float(np.sqrt(loss / max(samples, 1)))}

    @staticmethod
    def _score(validation: Mapping[str, float]) -> float:
        return -validation["rmse"]


class CrossEntropy(Squares):
    """Counts the cross-entropy of an epoch: `loss` is its sum."""

    @staticmethod
    def _loss(scores: np.ndarray, labels: np.ndarray) -> float:
        return float((np.logaddexp(0, scores) - scores * labels).sum())

    @staticmethod
    def _metrics(samples: float, loss: float) -> Dict[str, float]:
        return {"loss": loss / max(samples, 1)}

    @staticmethod
    def _score(validation: Mapping[str, float]) -> float:
        return validation["ndcg"]
