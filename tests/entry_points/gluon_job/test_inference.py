import io
import json
import pickle
import struct
import zlib

import numpy as np
import pytest

from gluon_job import artifact, inference
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.inference import CSV, JSON, NPY

SIZE = 28 * 28
LABELS = [f"label {i}" for i in range(10)]
# One brighter pixel each: the net below takes the pixel's number, modulo 10, for the class.
PIXELS = [3, 17, 205]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(10, use_bias=False, in_units=SIZE))
    net.initialize()
    net[0].weight.set_data(mx.nd.array((np.arange(SIZE) % 10 == np.arange(10)[:, None]) * 5))
    model_dir = tmp_path_factory.mktemp("model")
    artifact.save(net, str(model_dir), (1, 28, 28), LABELS)
    return inference.Classifier(str(model_dir))


def images(value=1.0, dtype=np.float32):
    """Three samples (3, 784), zero but for one pixel."""
    batch = np.zeros((3, SIZE), dtype)
    batch[np.arange(3), PIXELS] = value
    return batch


def npy(array):
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def csv(array):
    return "".join(",".join(map(str, row)) + "\n" for row in array.tolist())


def make_png(values):
    """A grey PNG of uint8 (height, width)."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def probabilities(body, kind):
    if kind == NPY:
        return np.load(io.BytesIO(body))
    if kind == CSV:
        return np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2)
    return np.array([prediction["probabilities"] for prediction in json.loads(body)["predictions"]])


def ask(classifier, data, content_type=JSON, accept=JSON):
    body, kind = inference.transform(classifier, data, content_type, accept)
    assert kind == JSON
    return json.loads(body)["predictions"]


def classes(predictions):
    return [prediction["class"] for prediction in predictions]


@pytest.mark.parametrize(("data", "count"), [
    (images()[0].tolist(), 1),
    (images()[:1].tolist(), 1),
    (images().tolist(), 3),
    (images()[0].reshape(28, 28).tolist(), 1),
    (images()[0].reshape(1, 28, 28).tolist(), 1),
    (images().reshape(3, 28, 28).tolist(), 3),
    (images().reshape(3, 1, 28, 28).tolist(), 3),
    ({"instances": images().tolist()}, 3),
    ({"instances": images()[0].reshape(28, 28).tolist()}, 1),
], ids=["row", "one row", "rows", "28x28", "1x28x28", "3x28x28", "3x1x28x28", "instances", "one instance"])  # fmt: skip
def test_json_may_be_a_sample_or_a_batch_in_any_layout(classifier, data, count):
    assert classes(ask(classifier, json.dumps(data))) == [3, 7, 5][:count]


@pytest.mark.parametrize(("data", "content_type"), [
    (json.dumps(images().tolist()), JSON),
    (json.dumps(images().tolist()).encode(), JSON),
    (json.dumps(images().tolist()), "application/JSON; charset=utf-8"),
    (json.dumps(images().tolist()), None),
    (csv(images()), CSV),
    (csv(images()).encode(), "text/csv; charset=utf-8"),
    (csv(images()).replace("\n", "\r\n") + "\r\n", CSV),
    (npy(images()), NPY),
    (npy(images().astype(np.float64)), NPY),
    (npy(images().reshape(3, 1, 28, 28)), NPY),
    (bytearray(npy(images(200, np.uint8))), NPY),
    (npy(images(200, np.int64)), NPY),
])  # fmt: skip
def test_a_request_may_be_json_csv_or_npy(classifier, data, content_type):
    assert classes(ask(classifier, data, content_type)) == [3, 7, 5]


@pytest.mark.parametrize(("given", "used"), [
    (images(1.0), 1.0),
    (images(0.25), 0.25),
    (images(255.0), 1.0),
    (images(51.0), 0.2),
    (images(255, np.uint8), 1.0),
    (images(1, np.int64), 1.0),
    (images(0, np.uint8), 0),
    (images(True, np.bool_), 1.0),
])  # fmt: skip
def test_raw_values_are_scaled_and_scaled_ones_left_alone(classifier, given, used):
    prepared = classifier.prepare(given)
    assert (prepared.dtype, prepared.shape) == (np.float32, (3, 1, 28, 28))
    np.testing.assert_allclose(prepared.reshape(3, SIZE), images(used), rtol=1e-6)


@pytest.mark.parametrize(("value", "message"), [
    (np.nan, "values that are not finite"),
    (np.inf, "values that are not finite"),
    (-np.inf, "values that are not finite"),
    (-0.5, "values from -0.5 to 0: expected 0 to 1, or 0 to 255"),
    (256, "values from 0 to 256: expected 0 to 1, or 0 to 255"),
])  # fmt: skip
def test_values_no_image_has_are_refused(classifier, value, message):
    with pytest.raises(InputError, match=message):
        classifier.prepare(images(value))


def test_a_request_of_raw_and_scaled_samples_is_refused(classifier):
    mixed = images(200)
    mixed[1] = images(0.8)[1]
    with pytest.raises(InputError, match="sample 1 has values from 0 to 1, and another up to 200: send all from"):
        classifier.prepare(mixed)
    mixed[1] = 0  # black is black on either scale
    assert classifier.prepare(mixed)[0].max() == pytest.approx(200 / 255)


def test_bytes_of_zero_and_one_are_refused_because_they_may_be_either(classifier):
    with pytest.raises(InputError, match="bytes of 0 and 1 alone, where 255 is white"):
        classifier.prepare(images(1, np.uint8))


def test_an_image_is_made_to_fit_and_inverted_when_its_border_is_bright(classifier):
    picture = np.zeros((56, 56), np.uint8)
    picture[0:2, 6:8] = 200  # pixel 3, twice as large
    dark, bright = (make_png(values) for values in (picture, 255 - picture))
    for body, kind in ((dark, "image/png"), (bright, "image/png"), (bright, "image/png; invert=true")):
        assert classes(ask(classifier, body, kind)) == [3]
        np.testing.assert_allclose(classifier.read(body, kind)[0].max(), 200 / 255, rtol=1e-5)
    assert classifier.read(bright, "image/png; invert=false")[0, 0, 0, 3] == pytest.approx(55 / 255)


def test_several_requests_together_get_the_answers_each_gets_alone(classifier):
    requests = [
        (json.dumps(images()[0].tolist()), JSON, JSON),
        (npy(images(200, np.uint8)), NPY, NPY),
        (csv(images()[1:]), CSV, "text/csv"),
        (json.dumps(images(1.0)[2].reshape(28, 28).tolist()).encode(), "application/json; charset=utf-8", "*/*"),
    ]
    together = inference.transform_batch(classifier, requests)
    for request, (body, kind) in zip(requests, together):
        alone, kind_alone = inference.transform(classifier, *request)
        assert kind == kind_alone
        np.testing.assert_allclose(probabilities(body, kind), probabilities(alone, kind), rtol=0, atol=5e-7)


def test_a_bad_request_among_others_is_refused_alone(classifier):
    good = (json.dumps(images().tolist()), JSON, JSON)
    bad = [("{", JSON, JSON), (good[0], "text/html", JSON), (good[0], JSON, "image/png"), ("[1, 2]", JSON, JSON)]
    answers = inference.transform_batch(classifier, [bad[0], good, bad[1], bad[2], good, bad[3]])
    assert [getattr(answer, "status", 400) if isinstance(answer, InputError) else 200 for answer in answers] == [
        400, 200, 415, 406, 200, 400,
    ]  # fmt: skip
    assert answers[1] == answers[4] == inference.transform(classifier, *good)


def test_more_rows_than_a_call_of_the_net_takes_are_all_answered_in_order(classifier):
    batch = np.zeros((700, SIZE), np.float32)
    batch[np.arange(700), np.arange(700)] = 1
    requests = [(npy(batch[:650]), NPY, NPY), (npy(batch[650:]), NPY, NPY)]
    answers = inference.transform_batch(classifier, requests)
    found = np.concatenate([probabilities(body, kind) for body, kind in answers])
    assert (found.argmax(axis=1) == np.arange(700) % 10).all()


def test_a_net_that_answers_nan_is_not_the_clients_fault(classifier, monkeypatch):
    monkeypatch.setattr(classifier, "_logits", lambda samples: np.full((len(samples), 10), np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="not finite"):
        ask(classifier, npy(images()), NPY)


def test_nan_and_null_in_json_are_refused(classifier):
    for text in ("NaN", "null", "1e999"):
        with pytest.raises(InputError, match="not finite"):
            ask(classifier, "[" + ", ".join([text] + ["0"] * (SIZE - 1)) + "]")


@pytest.mark.parametrize("shape", [(), (0,), (0, SIZE), (SIZE - 1,), (2 * SIZE,), (2, SIZE // 2), (28, 56), (3, 28, 27),
                                   (3, 3, 28, 28), (2, 3, 1, 28, 28)], ids=str)  # fmt: skip
def test_a_shape_that_is_no_sample_or_batch_is_refused_with_what_a_sample_is(classifier, shape):
    with pytest.raises(InputError) as error:
        classifier.prepare(np.zeros(shape, np.float32))
    assert str(error.value) == (
        f"the input has the shape {list(shape)}: a sample has [1, 28, 28], or 784 values in a row"
    )


@pytest.mark.parametrize("array", [np.full(SIZE, "0"), np.zeros(SIZE, complex), np.zeros(SIZE, "datetime64[s]"),
                                   np.zeros(SIZE, "f4,f4")], ids=["text", "complex", "dates", "records"])  # fmt: skip
def test_npy_of_something_else_than_numbers_is_refused(classifier, array):
    with pytest.raises(InputError, match=r"the input holds .*, not numbers"):
        ask(classifier, npy(array), NPY)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def npz():
    body = io.BytesIO()
    np.savez(body, images())
    return body.getvalue()


def test_npy_of_pickled_objects_is_refused_without_a_look_at_them(classifier):
    with pytest.raises(InputError, match="the input holds object, not numbers"):
        ask(classifier, npy(np.array([Trap()], object)), NPY)


@pytest.mark.parametrize(("data", "content_type"), [
    ("", JSON),
    ("{", JSON),
    ("[[1, 2], [3]]", JSON),
    ('["a"]', JSON),
    ('{"inputs": [1]}', JSON),
    ('{"instances": {"a": 1}}', JSON),
    ("[1" + "0" * 400 + "]", JSON),
    ("[" * 100000, JSON),
    (b"\xff\xfe", JSON),
    ("1,2\n3\n", CSV),
    ("a,b\n", CSV),
    ("1" * 200000, CSV),
    (b"\xff\xfe", CSV),
    (b"", NPY),
    (b"not npy", NPY),
    (npy(images())[:500], NPY),
    (npy(images())[:8], NPY),
    ("text", NPY),
    (npz(), NPY),
    (pickle.dumps(Trap()), NPY),
], ids=lambda value: repr(value)[:20])  # fmt: skip
def test_a_body_that_is_not_what_its_type_says_is_refused(classifier, data, content_type):
    with pytest.raises(InputError, match=f"the body is not {content_type} of numbers in rows of one length"):
        ask(classifier, data, content_type)


@pytest.mark.parametrize("content_type", ["image/gif", "text/plain", "json"])
def test_an_unknown_type_of_request_is_told_the_known_ones(classifier, content_type):
    with pytest.raises(InputError, match=f"content type '{content_type}' is not supported: send {JSON}"):
        ask(classifier, b"", content_type)


@pytest.mark.parametrize("accept", [JSON, "application/json; charset=utf-8", "*/*", "application/*", "", None])
def test_an_answer_in_json_has_class_label_and_probabilities(classifier, accept):
    predictions = ask(classifier, npy(images()), NPY, accept)
    assert [prediction["label"] for prediction in predictions] == ["label 3", "label 7", "label 5"]
    for prediction in predictions:
        assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-6)
        assert prediction["probability"] == prediction["probabilities"][prediction["class"]]
        assert prediction["probability"] == pytest.approx(np.exp(5) / (np.exp(5) + 9))


def test_an_answer_in_npy_or_csv_has_the_probabilities(classifier):
    expected = classifier(classifier.prepare(images()))
    body, kind = inference.transform(classifier, npy(images()), NPY, NPY)
    assert kind == NPY
    answer = np.load(io.BytesIO(body))
    assert answer.dtype == np.float32
    assert (answer == expected).all()
    body, kind = inference.transform(classifier, npy(images()), NPY, "text/csv; charset=utf-8")
    assert kind == CSV
    assert (np.loadtxt(io.StringIO(body), np.float32, delimiter=",") == expected).all()


def test_an_unknown_type_of_answer_is_told_the_known_ones(classifier):
    with pytest.raises(InputError, match=f"cannot answer as 'image/png': accept {JSON}, {CSV} or {NPY}"):
        ask(classifier, npy(images()), NPY, "image/png")
