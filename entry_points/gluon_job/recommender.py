"""Networks that score a user and an item: the inner product of a vector of each.

The vectors are embeddings, or what layers make of embeddings: the two towers meet in the product alone, so that a
trained model is two tables, however it was trained.
"""

import collections
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from gluon_job.compat import mx
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.ratings import DataSet

nn = mx.gluon.nn

HYPERPARAMETERS: Dict[str, Hyperparameter] = {
    "model": Hyperparameter(
        "linear", "how a vector comes of an embedding", choices=["linear", "mlp", "residual", "dssm"]
    ),
    "factors": Hyperparameter(20, "length of an embedding, and of the vectors that are multiplied", low=1),
    "hidden": Hyperparameter(
        None, "units of each layer before the last of mlp and dssm, of each block of residual", kind=[int], low=1
    ),
    "dropout": Hyperparameter(0.0, "share of each layer's inputs dropped while training", low=0, high=0.95),
    "biases": Hyperparameter(True, "a number for each user and each item, added to the product"),
    "content": Hyperparameter(
        True, "learn from what describes users and items, too: genres, words of titles, age, sex, occupation"
    ),
    "vocabulary": Hyperparameter(None, "how many words describe, the most frequent ones", kind=int, low=1),
    "bayesian": Hyperparameter(
        True, "learn how far each embedding can be trusted (variational inference), instead of regularization"
    ),
    "noise": Hyperparameter(
        0.7, "bayesian: what no model could tell of a rating, in standard deviations of the ratings", above=0
    ),
    "regularization": Hyperparameter(
        0.1, "without bayesian: pull of the embeddings of each rating's user and item to zero", low=0
    ),
}
_VOCABULARY = {"linear": 100, "mlp": 100, "residual": 100, "dssm": 1000}
_HIDDEN = {"linear": [], "mlp": [], "residual": [64], "dssm": [64, 32]}
_RARE = 2  # a word that describes fewer users or items than this says nothing of the others
_SPREAD, _PRIOR = 0.1, 0.3  # standard deviations to begin with, of an embedding and of all of them
_START = 0.2  # standard deviation of the first embeddings


def word_matrix(described: Sequence[Sequence[str]], most: int) -> np.ndarray:
    """Which words describe each user or item, float32 (N, words) of 0 and 1: those of several, the most frequent."""
    counts = collections.Counter(word for words in described for word in words)
    frequent = [word for word, count in counts.most_common(most) if count >= _RARE]
    places = {word: i for i, word in enumerate(frequent)}
    matrix = np.zeros((len(described), len(places)), np.float32)
    for row, words in zip(matrix, described):
        row[[places[word] for word in words if word in places]] = 1
    return matrix


class Recommender(mx.gluon.HybridBlock):
    """Scores float32 (N,) of pairs (N, 2), the places of a user and an item.

    Attributes:
        embeddings: the names of the tables; of each, `NAME_spread` has the logarithms of the standard deviations of
            its values, and `NAME_prior` (1, width) those of all values of a column, where the model is `bayesian`.
        is_bayesian: whether it has them.
        counts: of each kind, `user` and `item`.
    """

    def __init__(self, data: DataSet, values: Mapping[str, Any], mean: float) -> None:
        """Makes the untrained net.

        Args:
            data: its users and items, and what describes them.
            values: a value for each of HYPERPARAMETERS.
            mean: what all scores are about.
        """
        super().__init__(prefix="recommender_")
        self._model, self._mean, self.is_bayesian = values["model"], mean, values["bayesian"]
        self.embeddings: List[str] = []
        self.counts = {"user": len(data.users), "item": len(data.items)}
        factors, most = values["factors"], values["vocabulary"] or _VOCABULARY[self._model]
        with self.name_scope():
            for kind, ids, described in (("user", data.users, data.user_words), ("item", data.items, data.item_words)):
                words = word_matrix(described if values["content"] or self._model == "dssm" else [[]] * len(ids), most)
                # An item of a dssm is what describes it, so that one that nobody has rated yet has a vector too.
                if kind == "user" or self._model != "dssm" or not words.shape[1]:
                    self._embed(kind, len(ids), factors)
                if words.shape[1]:
                    self._embed(f"{kind}_words", words.shape[1], factors)
                    setattr(self, f"{kind}_matrix", self.params.get_constant(f"{kind}_matrix", words))
                if values["biases"]:
                    self._embed(f"{kind}_bias", len(ids), 1, start=0.0)
                setattr(self, f"_{kind}_tower", self._tower(kind, values))

    def hybrid_forward(self, ops: Any, pairs: Any, **tables: Any) -> Any:
        """The scores."""
        return self.score(ops, pairs, tables)

    def score(self, ops: Any, pairs: Any, tables: Mapping[str, Any], sampled: bool = False) -> Any:
        """The scores: of the embeddings' means, or of embeddings sampled for each pair anew, with these variances."""
        user, item = self.places(ops, pairs)
        vectors = [
            self.tower(kind, self._drawn(ops, kind, ids, tables, sampled))
            for kind, ids in (("user", user), ("item", item))
        ]
        score = ops.sum(vectors[0] * vectors[1], axis=1) + self._mean
        for kind, ids in (("user_bias", user), ("item_bias", item)):
            if kind in self.embeddings:
                score = score + ops.reshape(self._drawn(ops, kind, ids, tables, sampled), shape=(-1,))
        return score

    def tower(self, kind: str, embedding: Any) -> Any:
        """The vectors (N, factors), before they are multiplied, of embedded users or items (N, factors)."""
        return getattr(self, f"_{kind}_tower")(embedding)

    def embedding(self, ops: Any, kind: str, ids: Any, tables: Mapping[str, Any]) -> List[Any]:
        """Of users, items or their biases the mean and, of a bayesian net, the standard deviation (N, width)."""
        mean = self._look_up(ops, kind, ids, tables)
        if not self.is_bayesian:
            return [mean]
        variances = {name: ops.exp(2 * tables[f"{name}_spread"]) for name in self.embeddings}
        return [mean, ops.sqrt(self._look_up(ops, kind, ids, {**tables, **variances}))]

    def squares(self, ops: Any, pairs: Any, tables: Mapping[str, Any]) -> Any:
        """The sum of the squares of all that is embedded of each pair (N,)."""
        squares = {name: ops.square(tables[name]) for name in self.embeddings}
        found = [
            ops.sum(self._look_up(ops, kind + suffix, ids, {**tables, **squares}), axis=1)
            for kind, ids in zip(("user", "item"), self.places(ops, pairs))
            for suffix in ("", "_bias")
            if kind + suffix in squares or (f"{kind}_words" in squares and not suffix)
        ]
        return sum(found[1:], found[0])

    @staticmethod
    def places(ops: Any, pairs: Any) -> List[Any]:
        """The users and the items (N,) of pairs (N, 2)."""
        return [ops.reshape(ops.slice_axis(pairs, axis=1, begin=i, end=i + 1), shape=(-1,)) for i in range(2)]

    def divergence(self, ops: Any, tables: Mapping[str, Any]) -> Any:
        """How much more the embeddings say than that they are values of their columns: (1,), in nats.

        The sum of Kullback and Leibler's divergences of normal distributions, for the evidence lower bound of
        D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", 2014, appendix B, with priors that are learned
        (for matrices: Y. J. Lim and Y. W. Teh, "Variational Bayesian approach to movie rating prediction", 2007).
        """
        total = 0
        for name in self.embeddings:
            mean, spread, prior = (tables[name + suffix] for suffix in ("", "_spread", "_prior"))
            ratio = ops.broadcast_mul(ops.exp(2 * spread) + ops.square(mean), ops.exp(-2 * prior))
            total = total + 0.5 * ops.sum(2 * ops.broadcast_sub(prior, spread) + ratio - 1)
        return total

    def symbols(self) -> Dict[str, Any]:
        """The variables of the tables by their names, as the other methods take them."""
        return {name: parameter.var() for name, parameter in self._reg_params.items()}

    def _drawn(self, ops: Any, kind: str, ids: Any, tables: Mapping[str, Any], sampled: bool) -> Any:
        if not sampled:
            return self._look_up(ops, kind, ids, tables)
        mean, deviation = self.embedding(ops, kind, ids, tables)
        # 1 or -1, as often: the loss of a product is a matter of mean and variance, and mxnet takes several times as
        # long for numbers of a normal distribution.
        sign = ops.Dropout(ops.ones_like(mean), p=0.5) - 1
        return mean + deviation * sign

    def _look_up(self, ops: Any, kind: str, ids: Any, tables: Mapping[str, Any]) -> Any:
        """The sum (N, width) of the rows of the users or items and of the words that describe them."""
        parts = [ops.take(tables[kind], ids)] if kind in self.embeddings else []
        if f"{kind}_words" in self.embeddings:
            parts.append(ops.dot(ops.take(tables[f"{kind}_matrix"], ids), tables[f"{kind}_words"]))
        return sum(parts[1:], parts[0])

    def _embed(self, name: str, count: int, width: int, start: float = _START) -> None:
        self.embeddings.append(name)
        setattr(
            self,
            name,
            self.params.get(name, shape=(count, width), init=mx.init.Normal(start) if start else mx.init.Zero()),
        )
        if self.is_bayesian:
            for suffix, rows, value in (("_spread", count, _SPREAD), ("_prior", 1, _PRIOR)):
                constant = mx.init.Constant(float(np.log(value)))
                setattr(self, name + suffix, self.params.get(name + suffix, shape=(rows, width), init=constant))

    def _tower(self, kind: str, values: Mapping[str, Any]) -> Any:
        """What makes a vector of an embedding."""
        factors = values["factors"]
        hidden = _HIDDEN[self._model] if values["hidden"] is None else values["hidden"]
        tower = nn.HybridSequential(prefix=f"{kind}_")
        with tower.name_scope():
            if self._model == "residual":
                for units in hidden:
                    tower.add(_Block(factors, units, values["dropout"]))
            elif self._model == "mlp":
                for units in [*hidden, factors]:
                    tower.add(nn.Activation("relu"), nn.Dropout(values["dropout"]), nn.Dense(units))
            elif self._model == "dssm":
                # P.-S. Huang et al., "Learning deep structured semantic models for web search", 2013
                for units in hidden:
                    tower.add(nn.Dropout(values["dropout"]), nn.Dense(units, activation="tanh"))
                tower.add(nn.Dense(factors))
            elif values["dropout"]:
                tower.add(nn.Dropout(values["dropout"]))
        return tower


class _Block(mx.gluon.HybridBlock):
    """Adds to a vector what two layers make of it: at first, nothing."""

    def __init__(self, factors: int, units: int, dropout: float) -> None:
        super().__init__()
        with self.name_scope():
            self.layers = nn.HybridSequential()
            self.layers.add(nn.Dense(units, activation="relu"), nn.Dropout(dropout))
            self.layers.add(nn.Dense(factors, weight_initializer=mx.init.Normal(0.01)))

    def hybrid_forward(self, ops: Any, vectors: Any) -> Any:
        del ops
        return vectors + self.layers(vectors)
