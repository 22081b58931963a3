"""What a recommender learns from: ratings (explicit feedback), or that something was chosen at all (implicit)."""

from typing import Any, Dict, Mapping, NamedTuple, Tuple

import numpy as np

from gluon_job import ranking
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.meters import IGNORED, CrossEntropy, Squares
from gluon_job.negatives import Negatives
from gluon_job.ratings import DataSet, Ratings
from gluon_job.recommender import Recommender
from gluon_job.step import IMAGES, LABELS, Prediction
from gluon_job.task import Task

_NEGATIVES_STREAM = 2  # beside the streams of `Order`
_DRAWS = 4  # of the embeddings, and their opposites, that make a vector


class Tables(NamedTuple):
    """A trained model: the score of a user and an item is `users[user] @ items[item] + mean` and their biases.

    Attributes:
        users, items: float32 (U, factors) and (I, factors).
        user_biases, item_biases: float32 (U,) and (I,).
        mean: about which the scores are.
    """

    users: np.ndarray
    items: np.ndarray
    user_biases: np.ndarray
    item_biases: np.ndarray
    mean: float

    def scores(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Of pairs of places, int (N,) each: float32 (N,)."""
        products = np.einsum("nd,nd->n", self.users[users], self.items[items])
        return products + self.user_biases[users] + self.item_biases[items] + np.float32(self.mean)


class Feedback(Task):
    """The task of a recommender, for `fit`.

    Attributes:
        mean: of what is learned.
        training: pairs int32 (N, 2) and labels float32 (N,).
        validation: for `score`; None where there is nothing to score.
        known: the ratings that the model learns from.
    """

    dtype = np.int32

    def __init__(self, data: DataSet, values: Mapping[str, Any]) -> None:
        self._data, self._values = data, values
        self._net: Any = None
        self._graphs: Any = None
        self.identity = {"feedback": values["feedback"], "model": values["model"]}
        self.known, self.validation = data.training, data.validation
        self.mean = float(self.known.values.mean(dtype=np.float64))
        self._variance = float(self.known.values.var(dtype=np.float64)) * values["noise"] ** 2
        self.training = np.stack([self.known.users, self.known.items], axis=1), self.known.values

    def graphs(self, net: Recommender) -> "Graphs":
        """What the devices compute."""
        self._net = net
        self._graphs = Graphs(net, self._loss, self._values["regularization"], self._variance, len(self.training[1]))
        return self._graphs

    def tables(self, arrays: Mapping[str, Any]) -> Tables:
        """The model that these parameters, by name, are."""
        return self._graphs.tables(self._net, self._unseen_at_zero(arrays), self.mean)

    def _unseen_at_zero(self, arrays: Mapping[str, Any]) -> Dict[str, Any]:
        """The parameters without what the training never touched: the first embeddings of users and items unseen."""
        made = dict(arrays)
        for kind, seen in (("user", self.known.users), ("item", self.known.items)):
            for name in (f"{self._net.prefix}{kind}", f"{self._net.prefix}{kind}_bias"):
                if name in made:
                    mask = np.zeros((made[name].shape[0], 1), np.float32)
                    mask[seen] = 1
                    made[name] = mx.nd.broadcast_mul(made[name], mx.nd.array(mask, ctx=made[name].context))
        return made


class Explicit(Feedback):
    """Learns the ratings; measured by the root of the mean squared error."""

    def meter(self) -> Any:
        return Squares()

    def score(self, replicas: Any, validation: Ratings) -> Dict[str, float]:
        """The error of scores that are kept in the range of the ratings."""
        low, high = self.known.values.min(), self.known.values.max()
        found = np.clip(self.tables(replicas.arrays()).scores(validation.users, validation.items), low, high)
        return {"rmse": float(np.sqrt(np.square(found - validation.values, dtype=np.float64).mean()))}

    @staticmethod
    def _loss(ops: Any, score: Any, labels: Any, counted: Any) -> Any:
        return 0.5 * ops.square(score - ops.where(counted, labels, ops.BlockGrad(score)))


class Implicit(Feedback):
    """Learns to tell what a user chose from what not; measured by how far up a ranking has what was held back.

    Each epoch has other negatives. Raises InputError where no rating is high enough to be a choice.
    """

    def __init__(self, data: DataSet, values: Mapping[str, Any]) -> None:
        super().__init__(data, values)
        threshold = -np.inf if values["threshold"] is None else values["threshold"]
        self.known = _at_least(data.training, threshold)
        if not len(self.known.values):
            raise InputError(f"no rating is at least the threshold {threshold:g}: there is nothing to learn")
        self.validation = data.validation and _at_least(data.validation, threshold)
        if self.validation and not len(self.validation.values):
            self.validation = None
        self.mean, self._variance = 0.0, 1.0
        self._negatives = Negatives(self.known.users, self.known.items, len(data.users), len(data.items))
        self.training = self.samples(0)

    def meter(self) -> Any:
        return CrossEntropy()

    def samples(self, epoch: int) -> Tuple[np.ndarray, np.ndarray]:
        """The positives, with label 1, and after them as many negatives for each as there shall be, with label 0."""
        random = np.random.RandomState([self._values["seed"], epoch, _NEGATIVES_STREAM])
        users = np.repeat(self.known.users, self._values["negatives"])
        items, found = self._negatives.draw(users, random)
        pairs = np.stack([np.concatenate([self.known.users, users]), np.concatenate([self.known.items, items])], axis=1)
        positive = np.ones(len(self.known.users), np.float32)
        return pairs, np.concatenate([positive, np.where(found, 0, IGNORED).astype(np.float32)])

    def score(self, replicas: Any, validation: Ratings) -> Dict[str, float]:
        """The means over users, of the ranking of all items but those they are known to have chosen."""
        tables, k = self.tables(replicas.arrays()), self._values["k"]
        known, wanted = (np.stack(pairs[:2], axis=1) for pairs in (self.known, validation))
        ndcg, recall, users = ranking.evaluate(tables.users, tables.items, tables.item_biases, known, wanted, k)
        return {"ndcg": ndcg / users, "recall": recall / users}

    @staticmethod
    def _loss(ops: Any, score: Any, labels: Any, counted: Any) -> Any:
        return counted * (ops.Activation(score, act_type="softrelu") - score * labels)


class Graphs:
    """As `step.Graphs`: the training step and, for `Feedback.tables`, the vectors of users and items.

    The loss is the task's, and what keeps the embeddings small: the squares of those of each rating or, where the net
    is bayesian, the divergence from a prior that is learned. The likelihood of ratings has been multiplied with the
    variance of their errors, so that the steps of the embeddings are as long with it as without.
    """

    ignored = IGNORED
    has_statistics = False

    def __init__(self, net: Recommender, loss: Any, regularization: float, variance: float, samples: int) -> None:
        ops, tables = mx.sym, net.symbols()
        labels = ops.var(LABELS)
        counted = labels > IGNORED / 2
        pairs = ops.var(IMAGES)
        score = net.score(ops, pairs, tables, sampled=net.is_bayesian)
        total = loss(ops, score, labels, counted)
        if not net.is_bayesian:
            total = total + 0.5 * regularization * counted * net.squares(ops, pairs, tables)
        else:
            each = net.divergence(ops, tables) * (variance / samples)
            total = total + ops.broadcast_mul(counted, each)
        self.training = ops.Group([ops.BlockGrad(score), ops.MakeLoss(total)])
        self.prediction = net.score(ops, pairs, tables)
        self._embeddings = {
            kind: [Prediction(part) for part in net.embedding(ops, kind, pairs, tables)] for kind in net.counts
        }
        self._towers = {kind: Prediction(net.tower(kind, pairs)) for kind in net.counts}

    def tables(self, net: Recommender, arrays: Mapping[str, Any], mean: float) -> Tables:
        """The model that the parameters are."""
        found: Dict[str, np.ndarray] = {}
        for kind, count in net.counts.items():
            found[kind] = self._vectors(kind, count, arrays)
            bias = arrays.get(f"{net.prefix}{kind}_bias")
            found[f"{kind}_bias"] = np.zeros(count, np.float32) if bias is None else bias.asnumpy()[:, 0]
        return Tables(found["user"], found["item"], found["user_bias"], found["item_bias"], mean)

    def _vectors(self, kind: str, count: int, arrays: Mapping[str, Any]) -> np.ndarray:
        """The expected vectors float32 (count, factors): what a tower makes of an embedding's mean is another thing.

        With draws of two values, as in training, and each with its opposite, they are exact where a tower takes the
        embedding's values one by one and adds up what it makes of them; elsewhere they are a mean of many.
        """
        tower, ids = self._towers[kind], mx.nd.arange(count, ctx=next(iter(arrays.values())).context)
        mean, *deviations = (part(arrays, ids) for part in self._embeddings[kind])
        if not deviations:
            return tower(arrays, mean).asnumpy()
        draws = 2 * np.random.RandomState(0).randint(0, 2, (_DRAWS, 1, mean.shape[1])) - 1
        total = 0
        for signs in mx.nd.array(draws, ctx=mean.context):
            offset = mx.nd.broadcast_mul(deviations[0], signs)
            total = total + tower(arrays, mean + offset) + tower(arrays, mean - offset)
        return (total / (2 * _DRAWS)).asnumpy()


def _at_least(ratings: Ratings, threshold: float) -> Ratings:
    chosen = ratings.values >= threshold
    return Ratings(*(part[chosen] for part in ratings))
