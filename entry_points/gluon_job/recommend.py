"""A trained recommender: its artifact, and what it answers behind an endpoint.

The artifact's vectors have two values more than factors: `bias, 1` for a user, `1, bias` for an item. So a score is one
inner product, and that net is `model-symbol.json`, in the form that MXNet and ONNX know.
"""

import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from gluon_job import artifact, formats, ranking
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.feedback import Tables
from gluon_job.formats import CSV, JSON
from gluon_job.inference import METADATA
from gluon_job.ratings import DataSet, Ratings

_NAMES, _KNOWN = "recommender.json", "recommender.npz"
_K, _MOST = 10, 1000  # items of an answer: unless the request says, and at most
_INPUT = "data"


def save(model_dir: str, tables: Tables, data: DataSet, known: Ratings, feedback: str) -> None:
    """Writes the artifact: the net, the ids and titles, and who has rated what.

    Args:
        model_dir: an existing directory.
        tables: the model.
        data: its users and items.
        known: what it has learned from.
        feedback: `explicit` or `implicit`.
    """
    ones = [np.ones_like(biases) for biases in (tables.user_biases, tables.item_biases)]
    users = np.column_stack([tables.users, tables.user_biases + np.float32(tables.mean), ones[0]])
    items = np.column_stack([tables.items, ones[1], tables.item_biases])
    _net(users.shape, items.shape).save(os.path.join(model_dir, artifact.SYMBOL))
    mx.nd.save(
        os.path.join(model_dir, artifact.PARAMETERS),
        {"arg:users": mx.nd.array(users), "arg:items": mx.nd.array(items)},
    )
    artifact.write_json(model_dir, artifact.SHAPES, [{"name": _INPUT, "shape": [1, 2]}])
    metadata = {
        "input": {"shape": [2], "dtype": "float32", "scale": 1.0, "end": [len(users), len(items)]},
        "output": "score",
        "feedback": feedback,
        "range": [float(known.values.min()), float(known.values.max())],
        "example": {"user": data.users[known.users[0]], "k": _K},
    }
    artifact.write_json(model_dir, METADATA, metadata)
    artifact.write_json(model_dir, _NAMES, {"users": data.users, "items": data.items, "titles": data.titles})
    order = np.lexsort((known.items, known.users))
    begins = np.searchsorted(known.users[order], np.arange(len(users) + 1)).astype(np.int32)
    np.savez_compressed(os.path.join(model_dir, _KNOWN), begins=begins, items=known.items[order])


def _net(users: Sequence[int], items: Sequence[int]) -> Any:
    """Pairs of places float32 (N, 2) in, scores (N,) out."""
    # Every operator has a name: those that mxnet would count are others in another process.
    pairs, vectors = mx.sym.var(_INPUT), []
    for i, (name, (count, width)) in enumerate((("users", users), ("items", items))):
        column = mx.sym.slice_axis(pairs, axis=1, begin=i, end=i + 1, name=f"{name}_column")
        ids = mx.sym.reshape(column, shape=(-1,), name=f"{name}_places")
        table = mx.sym.var(name)
        vectors.append(mx.sym.Embedding(ids, table, input_dim=count, output_dim=width, name=f"{name}_vectors"))
    return mx.sym.sum(mx.sym.elemwise_mul(*vectors, name="products"), axis=1, name="score")


class Recommender:
    """A loaded artifact.

    A user or an item that the model has not learned from is answered with means, and the answer says so.

    Attributes:
        users, items: the places of the ids.
    """

    def __init__(self, model_dir: str) -> None:
        """Reads the artifact; InputError names a missing file."""
        metadata = artifact.metadata(model_dir)
        _, parameters, _ = artifact.load_symbol(model_dir)
        names = artifact.read_json(model_dir, _NAMES)
        with np.load(artifact.existing(model_dir, _KNOWN), allow_pickle=False) as known:
            self._begins, self._rated = known["begins"], known["items"]
        self._users, self._items = parameters["users"].asnumpy(), parameters["items"].asnumpy()
        self._ids, self._titles = names["items"], names["titles"]
        self.users = {user: i for i, user in enumerate(names["users"])}
        self.items = {item: i for i, item in enumerate(names["items"])}
        ratings = np.bincount(self._rated, minlength=len(self._items))
        self._is_rated = ratings > 0
        # An unknown one is as those of the ratings are on average.
        self._nobody = np.average(self._users, axis=0, weights=np.diff(self._begins)).astype(np.float32)
        self._nothing = np.average(self._items, axis=0, weights=ratings).astype(np.float32)
        self._is_explicit, self._range = metadata["feedback"] == "explicit", metadata["range"]
        lengths = np.linalg.norm(self._items[:, :-2], axis=1, keepdims=True)
        self._directions = self._items[:, :-2] / np.maximum(lengths, 1e-12)

    def score(self, pairs: Sequence[Tuple[str, str]]) -> List[Dict[str, Any]]:
        """Of each pair of ids its rating (or score, from 0 to 1) and, where one is unknown, a note."""
        rows = [(self.users.get(user), self.items.get(item)) for user, item in pairs]
        users = np.array([self._nobody if u is None else self._users[u] for u, _ in rows])
        items = np.array([self._nothing if i is None else self._items[i] for _, i in rows])
        values = self._shown(np.einsum("nd,nd->n", users, items))
        answers = []
        for (user, item), (u, i), value in zip(pairs, rows, values.tolist()):
            notes = [*self._of_user(user, u), *self._of_item(item, i)]
            answers.append({"user": user, "item": item, self._name: value, **_note(notes)})
        return answers

    def recommend(self, user: str, k: int, with_rated: bool = False) -> Dict[str, Any]:
        """The k items with the highest scores for a user, without those that the user rated unless they are wanted."""
        place = self.users.get(user)
        scores = self._items @ (self._nobody if place is None else self._users[place])
        count = len(scores)
        if place is not None and not with_rated:
            rated = self._rated[self._begins[place] : self._begins[place + 1]]
            scores[rated] = -np.inf
            count -= len(rated)
        best = ranking.top(scores[None], k)[0][:count] if count else []
        found = [{**self._item(i), self._name: value} for i, value in zip(best, self._shown(scores[best]).tolist())]
        return {"user": user, "items": found, **_note(self._of_user(user, place))}

    def similar(self, item: str, k: int) -> Dict[str, Any]:
        """The k items whose vectors point most nearly as this one's; InputError when there is no such item."""
        place = self.items.get(item)
        if place is None:
            raise InputError(f"there is no item {item!r}: only items of the training data have similar ones")
        cosines = self._directions @ self._directions[place]
        cosines[place] = -np.inf
        best = ranking.top(cosines[None], min(k, len(cosines) - 1))[0] if len(cosines) > 1 else []
        found = [{**self._item(i), "similarity": float(cosines[i])} for i in best]
        return {"similar_to": self._item(place), "items": found, **_note(self._of_item(item, place))}

    @property
    def _name(self) -> str:
        return "rating" if self._is_explicit else "score"

    def _shown(self, scores: np.ndarray) -> np.ndarray:
        """Ratings in their range, or the probabilities of a choice."""
        return np.clip(scores, *self._range) if self._is_explicit else 0.5 * (1 + np.tanh(0.5 * scores))

    def _of_user(self, user: str, place: Optional[int]) -> List[str]:
        """What to know of answers for a user who has rated nothing."""
        if place is None:
            return [f"user {user!r} is new: the mean over all ratings' users"]
        return [] if self._begins[place] < self._begins[place + 1] else [f"user {user!r} has no ratings to learn from"]

    def _of_item(self, item: str, place: Optional[int]) -> List[str]:
        """What to know of answers for an item that nobody has rated."""
        if place is None:
            return [f"item {item!r} is new: the mean over all ratings' items"]
        return [] if self._is_rated[place] else [f"item {item!r} has no ratings to learn from"]

    def _item(self, place: int) -> Dict[str, Any]:
        return {"item": self._ids[place], "title": self._titles[place]}


def transform(recommender: Recommender, data: Any, content_type: str, accept: str) -> Tuple[str, str]:
    """One request: the body of the answer and its content type.

    JSON: `{"user": 196, "k": 10}` (with `"rated": true` for items that the user rated, too), `{"similar_to": 242}` or
    `{"pairs": [[196, 242], ...]}`. CSV: pairs, a line each. CSV out: lines of item and score, or a score for each pair.

    Raises:
        InputError: the request cannot be understood.
    """
    kind = formats.negotiate(accept, (JSON, CSV))
    given, _ = formats.content_type(content_type or JSON)
    if given not in (JSON, CSV):
        raise formats.UnsupportedTypeError(f"content type {content_type!r} is not supported: send {JSON} or {CSV}")
    body = formats.text(data, content_type or JSON)
    request = {"pairs": _csv_pairs(body)} if given == CSV else _parse(body)
    answer = _answer(recommender, request)
    if kind == JSON:
        return json.dumps(answer), JSON
    if "predictions" in answer:
        return "".join(f"{one.get('rating', one.get('score')):.9g}\n" for one in answer["predictions"]), CSV
    return "".join(f"{_quoted(one['item'])},{list(one.values())[-1]:.9g}\n" for one in answer["items"]), CSV


def _answer(recommender: Recommender, request: Mapping[str, Any]) -> Dict[str, Any]:
    kinds = {"user", "similar_to", "pairs"}.intersection(request)
    unknown = set(request) - {"user", "similar_to", "pairs", "k", "rated"}
    if len(kinds) != 1 or unknown:
        problem = (
            f"it has {', '.join(sorted(unknown))}" if unknown else f"it has {' and '.join(sorted(kinds)) or 'none'}"
        )
        raise InputError(f"the request has one of user, similar_to and pairs, and may have k and rated: {problem}")
    k = request.get("k", _K)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= _MOST:
        raise InputError(f"k is a whole number from 1 to {_MOST}, not {k!r}")
    with_rated = request.get("rated", False)
    if not isinstance(with_rated, bool):
        raise InputError(f"rated is true or false, not {with_rated!r}")
    if "user" in request:
        return recommender.recommend(_id(request["user"]), k, with_rated)
    if "similar_to" in request:
        return recommender.similar(_id(request["similar_to"]), k)
    pairs = request["pairs"]
    if not isinstance(pairs, list) or not pairs or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise InputError("pairs is a list of [user, item]")
    return {"predictions": recommender.score([(_id(user), _id(item)) for user, item in pairs])}


def _parse(body: str) -> Mapping[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON ({str(error)[:120]})") from None
    if not isinstance(request, dict):
        raise InputError('the body is not an object such as {"user": 196, "k": 10}')
    return request


def _csv_pairs(body: str) -> List[List[str]]:
    import csv

    try:
        return [[field.strip() for field in row] for row in csv.reader(body.lstrip("\ufeff").splitlines()) if row]
    except csv.Error as error:
        raise InputError(f"the body is not CSV ({error})") from None


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"an id is a string or a number, not {value!r}")
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def _note(parts: Sequence[str]) -> Dict[str, str]:
    return {"note": "; ".join(parts)} if parts else {}
