"""What a trained recommender makes of its validation ratings, and what it says of well-known items."""

from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from gluon_job import artifact, ranking, rating_files, ratings
from gluon_job.errors import InputError
from gluon_job.ratings import DataSet, Ratings
from gluon_job.recommend import Recommender

_GROUPS = 5  # of users by their activity, of about as many each
_BARS = 10  # of the histogram, where there are more different ratings
_TITLES, _SIMILAR = 10, 5
_USERS, _ITEMS = 3, 5  # that recommendations are shown for, and how many
_RANKED = 2000  # users, at most


def examine(
    model_dir: str, values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]
) -> Tuple[Dict[str, Any], Dict[str, np.ndarray]]:
    """What there is to report of a recommender, as an object for JSON, and no arrays.

    Its keys: `feedback` (explicit or implicit); `rmse` of the validation ratings, or `ndcg` and `recall` at `k`;
    `user_count`, `item_count`; `histogram`: of each bar `name`, and how many `training` and `validation` ratings;
    `activity`: of each group of users by their number of training ratings its `name`, how many `users` and `ratings`
    it has in the validation data, and its `value`; `neighbours`: of the items with most ratings `title`, `ratings` and
    the `similar` ones; `recommendations`: of some users what they `liked` and the `items` they may like.

    Args:
        model_dir: an extracted artifact.
        values: the hyperparameters of its job.
        channel_input_dirs: the data of its job.

    Raises:
        InputError: the data are missing, or not those of the job.
    """
    if "holdout" not in values:
        raise InputError(
            "the script is not matrix_factorization: which of its ratings are validation data is not known"
        )
    model, feedback = Recommender(model_dir), artifact.metadata(model_dir)["feedback"]
    data = ratings.load(rating_files.read(channel_input_dirs), values["split"], values["holdout"], values["seed"])
    if not set(data.items) <= set(model.items):
        raise InputError("the data has items that the model does not know: they are not what it learned from")
    found = {
        "feedback": feedback,
        "user_count": len(data.users),
        "item_count": len(data.items),
        "histogram": _histogram(data),
        "neighbours": _neighbours(model, data),
        "recommendations": _recommendations(model, data),
    }
    if data.validation is not None and feedback == "explicit":
        found.update(_errors(model, data))
    elif data.validation is not None:
        found.update(_rankings(model, data, values))
    return found, {}


def _errors(model: Recommender, data: DataSet) -> Dict[str, Any]:
    users, items, truth = data.validation
    pairs = [(data.users[u], data.items[i]) for u, i in zip(users.tolist(), items.tolist())]
    scores = np.array([one["rating"] for one in model.score(pairs)])
    squares = np.square(scores - truth)
    activity = [
        {**group, "value": float(np.sqrt(squares[chosen].mean()))} for group, chosen in _groups(data, data.validation)
    ]
    return {"rmse": float(np.sqrt(squares.mean())), "activity": activity, "measure": "RMSE"}


def _rankings(model: Recommender, data: DataSet, values: Mapping[str, Any]) -> Dict[str, Any]:
    """NDCG and recall of the validation items that were chosen, each user's first k."""
    threshold, k = -np.inf if values["threshold"] is None else values["threshold"], values["k"]
    chosen = data.validation.values >= threshold
    wanted = Ratings(*(part[chosen] for part in data.validation))
    measured = np.unique(wanted.users)[:_RANKED]
    if not len(measured):
        return {}
    found = np.zeros((len(data.users), 2))
    for user in measured.tolist():
        relevant = {data.items[i] for i in wanted.items[wanted.users == user].tolist()}
        best = model.recommend(data.users[user], k)["items"]
        hits = np.zeros((1, k), bool)
        hits[0, : len(best)] = [one["item"] in relevant for one in best]
        size = np.array([len(relevant)])
        found[user] = ranking.ndcg(hits, size)[0], ranking.recall(hits, size)[0]
    kept = np.isin(wanted.users, measured)
    wanted = Ratings(*(part[kept] for part in wanted))
    activity = [
        {**group, "value": float(found[np.unique(wanted.users[rows]), 0].mean())}
        for group, rows in _groups(data, wanted)
    ]
    ndcg, recall = found[measured].mean(axis=0).tolist()
    return {"ndcg": ndcg, "recall": recall, "k": k, "activity": activity, "measure": f"NDCG@{k}"}


def _groups(data: DataSet, wanted: Ratings) -> List[Tuple[Dict[str, Any], np.ndarray]]:
    """The users by their training ratings, and which ratings, bool (N,), are theirs; no groups without any."""
    every = np.bincount(data.training.users, minlength=len(data.users))
    counts, active = every[wanted.users], every[np.unique(wanted.users)]
    lows = np.unique(np.quantile(active, np.arange(_GROUPS) / _GROUPS).astype(int)).tolist()
    found = []
    for low, high in zip(lows, [*lows[1:], None]):
        rows = (counts >= low) & (counts < (np.inf if high is None else high))
        if rows.any():
            name = f"{low} or more" if high is None else str(low) if high == low + 1 else f"{low} to {high - 1}"
            found.append(
                ({"name": name, "users": len(np.unique(wanted.users[rows])), "ratings": int(rows.sum())}, rows)
            )
    return found


def _histogram(data: DataSet) -> List[Dict[str, Any]]:
    training = data.training.values
    validation = training[:0] if data.validation is None else data.validation.values
    every = np.concatenate([training, validation])
    kinds = np.unique(every)
    if len(kinds) <= 2 * _BARS:
        names = [f"{kind:g}" for kind in kinds.tolist()]
        counts = [[int((part == kind).sum()) for kind in kinds] for part in (training, validation)]
    else:
        edges = np.linspace(float(every.min()), float(every.max()), _BARS + 1)
        names = [f"{low:.3g} to {high:.3g}" for low, high in zip(edges.tolist(), edges[1:].tolist())]
        counts = [np.histogram(part, edges)[0].tolist() for part in (training, validation)]
    return [{"name": name, "training": one, "validation": two} for name, one, two in zip(names, *counts)]


def _neighbours(model: Recommender, data: DataSet) -> List[Dict[str, Any]]:
    counts = np.bincount(data.training.items, minlength=len(data.items))
    known = [int(place) for place in np.argsort(-counts, kind="stable")[:_TITLES] if counts[place]]
    return [
        {
            "title": data.titles[place],
            "ratings": int(counts[place]),
            "similar": model.similar(data.items[place], _SIMILAR)["items"],
        }
        for place in known
    ]


def _recommendations(model: Recommender, data: DataSet) -> List[Dict[str, Any]]:
    """For the first users of the data with enough ratings."""
    users, items, values = data.training
    counts = np.bincount(users, minlength=len(data.users))
    found = []
    for user in np.flatnonzero(counts >= _ITEMS)[:_USERS].tolist():
        own = np.flatnonzero(users == user)
        best = own[np.argsort(-values[own], kind="stable")][:_ITEMS]
        found.append(
            {
                "user": data.users[user],
                "ratings": len(own),
                "liked": [{"title": data.titles[items[row]], "rating": float(values[row])} for row in best.tolist()],
                "items": model.recommend(data.users[user], _ITEMS)["items"],
            }
        )
    return found
