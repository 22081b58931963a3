"""Five ratings, and a recommender of them whose every number is known."""

from __future__ import annotations

import numpy as np

from gluon_job import recommender
from gluon_job.compat import mx
from gluon_job.ratings import DataSet, Ratings

# Of four users the last one, and of five items the last two, have no ratings.
RATINGS = Ratings(
    np.array([0, 0, 1, 2, 2], np.int32), np.array([0, 1, 1, 0, 2], np.int32), np.array([5, 1, 2, 4, 3], np.float32)
)
PAIRS = np.stack(RATINGS[:2], axis=1)
DATA = DataSet(
    RATINGS,
    Ratings(np.array([3, 1], np.int32), np.array([0, 4], np.int32), np.array([4, 5], np.float32)),
    ["a", "b", "c", "d"],
    ["p", "q", "r", "s", "t"],
    ["P", "Q", "R", "S", "T"],
    [["old", "tall"], ["old"], ["tall"], []],
    [["war", "sad"], ["war"], ["sad"], ["sad"], ["odd"]],
)
VALUES = {
    **{name: one.default for name, one in recommender.HYPERPARAMETERS.items()},
    "factors": 3,
    "feedback": "explicit",
    "negatives": 2,
    "threshold": None,
    "k": 2,
    "seed": 1,
}


def net(values, mean=3.0):
    """The net, with other random numbers for each of its parameters."""
    made = recommender.Recommender(DATA, {**VALUES, **values}, mean)
    mx.random.seed(1)
    made.initialize(mx.init.Xavier())
    made(mx.nd.array(PAIRS))
    random = np.random.RandomState(2)
    for name, parameter in sorted(made.collect_params().items()):
        if parameter.grad_req != "null":
            low, high = (-1.5, -0.5) if name.endswith(("_spread", "_prior")) else (-1, 1)
            parameter.set_data(mx.nd.array(random.uniform(low, high, parameter.shape)))
    return made


def arrays(made):
    """The parameters by their names, without the prefix of all."""
    return {name[len(made.prefix) :]: one.data().asnumpy() for name, one in made.collect_params().items()}
