"""The scripts for pictures as a user runs them: on two hosts, one of them killed, and behind an endpoint."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import drawings
import numpy as np
import pytest
import saved_parameters
from PIL import Image

from launcher import digit_pictures, idx, library
from launcher.local.client import InvocationFailed
from launcher.local.endpoint import Endpoint

pytestmark = pytest.mark.skipif(find_spec("gluoncv") is None, reason="no GluonCV")
CLASSIFIER = {"network": "cifar_resnet20_v1", "image_size": 32, "threads": 1, "flip": False, "batch_size": 8}
DETECTOR = {
    "network": "ssd_300_mobilenet0.25",
    "image_size": 64,
    "box_scale": 3.0,
    "threads": 1,
    "flip": False,
    "batch_size": 4,
}
LEARNING = {"optimizer": "adam", "learning_rate": 0.003}
# A script of ours whose first host is killed once, when its first checkpoint is written.
KILLED = """
import os, signal, sys

sys.path.append({directory!r})
import {script}
from gluon_job import checkpoint, contract

MARK = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "..", "..", "killed-once")
write = checkpoint.Checkpoints.write

def write_and_die(self, *words):
    write(self, *words)
    if not os.path.exists(MARK):
        open(MARK, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.Checkpoints.write = write_and_die
if __name__ == "__main__":
    contract.main({script}.train, {script}.save)
"""


@pytest.fixture
def digits(tmp_path):
    """Real zeros and ones as PNG files: 40 of each to learn from, 20 others to score on."""
    images, labels = idx.shipped_digits()
    images, labels = images[labels < 2], labels[labels < 2]
    for part, places in (("train", slice(0, 40)), ("val", slice(40, 60))):
        for label in range(2):
            own = labels == label
            digit_pictures.write_folders(tmp_path / "digits" / part, images[own][places], labels[own][places])
    return tmp_path / "digits"


@pytest.fixture
def scenes(tmp_path):
    """24 + 8 scenes with red and green blocks."""
    return drawings.write_voc(tmp_path / "scenes")


@pytest.fixture
def run(glaunch):
    """`run(script, values, *words)`: the record of a run that completed."""

    def start(script, values, *words):
        given = [word for name, value in values.items() for word in ("-p", f"{name}={json.dumps(value)}")]
        return json.loads(glaunch("run", script, *given, *words, "--json").stdout)

    return start


@pytest.fixture
def deployed(glaunch):
    """`with deployed(run) as client`: its endpoint `served`."""

    @contextmanager
    def serve(run):
        glaunch("deploy", run["name"], "--name", "served", "--port", 0, "--detach")
        try:
            with Endpoint.find("served").client as client:
                yield client
        finally:
            glaunch("rm", "served")

    return serve


def digests(run):
    return {host["digest"] for host in run["hosts"].values()}


@pytest.fixture
def fine_tuned(run, tmp_path):
    """`fine_tuned(known, script, values, data, *words, path=script)`: a frozen net's run on one host and on two.

    It begins with the parameters of a run that is known, and comes back with the record of the run on two hosts, which
    learned what one host did, and the names of the parameters that moved. Were batch normalization not frozen, the
    statistics of a batch's share would tell the hosts from one.
    """
    files = tmp_path / "files"
    files.mkdir()

    def start(known, script, values, data, *words, path=None):
        known_file = saved_parameters.extract(files, known)
        values = {**values, "epochs": 2, "colour": 0.2, "pretrained": known_file.name, "freeze": True}
        channels = ["--data", data, "--channel", f"pretrained={files}"]
        one = run(script, values, *channels)
        two = run(path or script, values, *channels, "--hosts", 2, *words)
        assert [host["exit_status"] for host in two["hosts"].values()] == [0, 0]
        assert len(digests(two)) == 1
        for name in one["metrics"].keys() - {"train:samples_per_second"}:
            assert two["metrics"][name] == pytest.approx(one["metrics"][name], abs=1e-5), name
        before, first, second = saved_parameters.read(files, known, one, two)
        assert first.keys() == second.keys() == before.keys()
        for name in first:
            assert np.abs(first[name] - second[name]).max() < 1e-6, name
        return two, {name for name in first if (first[name] != before[name]).any()}

    return start


def check_refused(client, refused):
    """Each body of each type is answered with its status and one sentence."""
    for body, kind, status, message in refused:
        with pytest.raises(InvocationFailed, match=message) as error:
            client.invoke(body, kind)
        assert error.value.status == status
        assert "Traceback" not in str(error.value)


def jpeg(path):
    body = io.BytesIO()
    Image.open(path).convert("RGB").save(body, "JPEG", quality=95, subsampling=0)
    return body.getvalue()


def test_a_classifier_learns_real_digits_on_two_hosts_is_fine_tuned_and_served(
    run, fine_tuned, glaunch, deployed, digits, script, tmp_path
):
    values = {**CLASSIFIER, **LEARNING, "epochs": 5, "require_onnx": True}
    known = run("image_classifier", values, "--data", digits, "--hosts", 2)
    assert len(known["hosts"]) == 2
    assert len(digests(known)) == 1
    assert [host["samples"] for host in known["hosts"].values()] == [40, 40]
    assert known["metrics"]["validation:accuracy"] >= 0.9
    log = Path(known["hosts"]["algo-1"]["log"]).read_text()
    assert "ONNX: model.onnx: answers as MXNet on 80 training samples" in log

    killed = script(KILLED.format(script="image_classifier", directory=str(library.directory())))
    words = ("--retries", 1, "--checkpoint-every", 1)
    again, moved = fine_tuned(known, "image_classifier", CLASSIFIER, digits, *words, path=killed)
    [restart] = again["restarts"]
    assert "was ended by SIGKILL" in restart
    assert "it goes on after epoch 1;" in restart
    assert "Resumed after epoch 0" in Path(again["hosts"]["algo-1"]["log"]).read_text()
    assert {name.partition("_")[2] for name in moved} == {"dense0_weight", "dense0_bias"}

    with deployed(known) as client:
        paths = sorted((digits / "val").rglob("*.png"))
        answers = json.loads(glaunch("predict", "served", *paths, "--json").stdout)
        found = [answer["answer"]["predictions"][0] for answer in answers]
        right = [one["label"] == path.parent.name for one, path in zip(found, paths)]
        assert np.mean(right) == pytest.approx(known["metrics"]["validation:accuracy"], abs=1e-6)
        for one, path in zip(found, paths):
            same = client.invoke(jpeg(path), "image/jpeg").decoded()["predictions"][0]
            assert same["probability"] == pytest.approx(one["probability"], abs=0.2)
        body = paths[0].read_bytes()
        check_refused(client, [
            (b"no picture", "image/png", 400, "not a PNG or JPEG picture"),
            (b"", "image/jpeg", 400, "not a PNG or JPEG picture"),
            (body[:-30], "image/png", 400, "cannot be read"),
            (body[:16] + b"\x00\x00\xff\xff" * 2 + body[24:], "image/png", 400, "65535 x 65535 pixels"),
            (b"[[1, 2]]", "application/json", 400, r"shape \[1, 2\]: a sample has \[3, 32, 32\]"),
            (b"GIF89a", "image/gif", 415, "not supported"),
            (bytes(7 * 2**20), "image/png", 413, "the body is larger than"),
        ])  # fmt: skip
        (tmp_path / "cut.png").write_bytes(body[:-30])
        assert "cannot be read" in glaunch("predict", "served", tmp_path / "cut.png", status=1).stderr
        drawn = tmp_path / "drawn.png"
        assert "no boxes to draw" in glaunch("predict", "served", paths[0], "--draw", drawn, status=2).stderr
        assert not drawn.exists()


def test_a_detector_learns_to_find_objects_is_served_and_fine_tuned_on_two_hosts(
    run, fine_tuned, glaunch, deployed, scenes, tmp_path
):
    # A hundred steps: after fewer, batch normalization's running variances are still near the 1 they begin with.
    known = run("object_detector", {**DETECTOR, **LEARNING, "crop": False, "epochs": 16}, "--data", scenes)
    assert known["metrics"]["validation:map"] >= 0.1  # of four seeds: 0.23 to 0.66
    reported = json.loads(glaunch("report", known["name"], "--json").stdout)
    assert reported["problems"] == []
    assert reported["map"] == pytest.approx(known["metrics"]["validation:map"], abs=2e-6)
    with deployed(known) as client:
        path, drawn = scenes / "JPEGImages" / "train0.png", tmp_path / "drawn.png"
        [told] = json.loads(glaunch("predict", "served", path, "--draw", drawn, "--json").stdout)
        [prediction] = told["answer"]["predictions"]
        assert (prediction["width"], prediction["height"]) == (64, 64)
        check_drawn(path, drawn, prediction["objects"])
        paths = sorted((scenes / "JPEGImages").iterdir())
        for kind, body in (("png", Path.read_bytes), ("jpeg", jpeg)):
            right = [is_best_right(client.invoke(body(path), f"image/{kind}; threshold=0"), path) for path in paths]
            assert np.mean(right) >= 0.4, kind  # of four seeds: 0.56 to 0.81
        Image.new("RGB", (256, 128)).save(tmp_path / "wide.png")
        wide = client.invoke((tmp_path / "wide.png").read_bytes(), "image/png; threshold=0").decoded()
        assert {name: wide["predictions"][0][name] for name in ("width", "height")} == {"width": 256, "height": 128}
        boxes = np.array([one["box"] for one in wide["predictions"][0]["objects"]])
        assert (boxes >= 0).all()
        assert (boxes <= [256, 128, 256, 128]).all()
        assert boxes[:, 2].max() > 128  # in its own pixels
        check_refused(client, [
            (b"[[1, 2]]", "application/json", 415, "send image/png or image/jpeg"),
            (b"no picture", "image/png", 400, "not a PNG or JPEG picture"),
            (path.read_bytes()[:-30], "image/png", 400, "cannot be read"),
            (path.read_bytes(), "image/png; threshold=2", 400, "threshold=2: it is a number from 0 to 1"),
        ])  # fmt: skip
    _, moved = fine_tuned(known, "object_detector", DETECTOR, scenes)
    assert [name for name in moved if "convpredictor" in name]


def is_best_right(reply, path):
    """Whether the most probable object is one of the picture's: of its class, and half of both boxes shared."""
    best = reply.decoded()["predictions"][0]["objects"][0]
    return any(
        label == best["label"] and overlap(box, best["box"]) >= 0.5
        for label, box in drawings.read_annotation(path.parents[1] / "Annotations" / f"{path.stem}.xml")
    )


def overlap(one, other):
    sides = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in range(2)]
    shared = max(0, sides[0]) * max(0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def check_drawn(path, drawn, objects):
    """The picture, larger, is another where the boxes are, and there alone but for their names."""
    assert objects
    picture = Image.open(drawn).convert("RGB")
    plain = Image.open(path).convert("RGB").resize(picture.size, Image.Resampling.NEAREST)
    differs = (np.asarray(picture) != np.asarray(plain)).any(axis=2)
    scale = picture.width / 64
    left, top, right, bottom = (round(side * scale) for side in objects[0]["box"])
    rows, columns = slice(max(0, top), bottom), slice(max(0, left), right)
    edges = [differs[rows, columns][:, 0], differs[rows, columns][0]]
    assert all(edge.mean() > 0.9 for edge in edges)
    assert differs.mean() < 0.5


@pytest.mark.parametrize(("entry_point", "values", "write", "damaged", "hosts"), [
    ("image_classifier", CLASSIFIER, drawings.write_folders, "red/3.png", 2),
    ("object_detector", DETECTOR, drawings.write_voc, "JPEGImages/train3.png", 1),
], ids=["classifier", "detector"])  # fmt: skip
def test_a_picture_that_is_cut_off_ends_the_job_with_one_sentence(
    glaunch, tmp_path, entry_point, values, write, damaged, hosts
):
    path = write(tmp_path / "data") / damaged
    path.write_bytes(path.read_bytes()[:-300])
    given = [word for name, value in values.items() for word in ("-p", f"{name}={json.dumps(value)}")]
    done = glaunch("run", entry_point, *given, "--data", tmp_path / "data", "--hosts", hosts, status=1)
    assert f"{damaged}: the picture cannot be read (image file is truncated)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    record = json.loads(glaunch("show", "--json").stdout)
    assert (record["state"], record["model"]) == ("Failed", None)
    assert not list((tmp_path / "work").iterdir())


def test_hosts_with_pictures_of_different_classes_agree_on_them(run, tmp_path):
    # Distributed in turn, the only blue picture is the first host's, and the only red one the second's.
    for name, count in (("blue", 1), ("green", 8), ("red", 1)):
        drawings.write_folders(tmp_path / "data", (name,), count)
    values = {**CLASSIFIER, "image_size": 16, "batch_size": 4, "epochs": 1, "validation_split": 0.25}
    done = run("image_classifier", values, "--channel", f"training={tmp_path / 'data'}:sharded", "--hosts", 2)
    assert len(digests(done)) == 1
    assert [host["samples"] for host in done["hosts"].values()] == [4, 4]  # each has held one back
    assert done["metrics"]["validation:accuracy"] in (0, 0.5, 1)
    with tarfile.open(done["model"]) as archive:
        assert json.load(archive.extractfile("model-metadata.json"))["labels"] == ["blue", "green", "red"]


def test_a_plan_tells_the_network_what_it_sends_and_its_steps(glaunch, tmp_path):
    drawings.write_folders(tmp_path / "data", count=10)
    values = ("-p", "network=cifar_resnet20_v1", "-p", "batch_size=8", "--hosts", 2)
    told = " ".join(glaunch("plan", "image_classifier", "--data", tmp_path / "data", *values).stdout.split())
    assert "272,019 parameters, 1.04 MiB from and to each host at a step; 40,812,736 multiply-adds a sample" in told
    assert "27 samples in 4 steps an epoch" in told
    assert "Its speed is not known without running it" in told
