"""The main job as a newcomer runs it, on real digits; and the same job with everything that can be wrong."""

from __future__ import annotations

import gzip
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

ARTIFACT = {"model-symbol.json", "model-0000.params", "model-shapes.json", "model-metadata.json"}


def idx(path: Path, values: np.ndarray, magic: bytes | None = None, compress: bool = False) -> None:
    header = (magic or bytes([0, 0, 8, values.ndim])) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if compress else content)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A data set in the layout of MNIST's mirrors: gzipped, flat; two classes that a line separates."""
    folder = tmp_path / "digits"
    for prefix, count in (("train", 120), ("t10k", 40)):
        labels = np.arange(count) % 2
        images = np.zeros((count, 28, 28)) + labels[:, None, None] * 200
        idx(folder / f"{prefix}-images-idx3-ubyte.gz", images, compress=True)
        idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels, compress=True)
    return folder


def test_the_demo_learns_real_digits_and_leaves_a_model(glaunch):
    out = glaunch("run", "mnist_mlp", "-p", "epochs=4").stdout
    assert "Training on 4000 samples: 4 epochs" in out
    run = json.loads(glaunch("show", "--json").stdout)
    assert run["metrics"]["validation:accuracy"] > 0.87
    assert run["metrics"]["train:accuracy"] > 0.92
    assert run["metrics"]["train:samples_per_second"] > 0
    assert f"validation accuracy {run['metrics']['validation:accuracy']:.4f}" in out
    with tarfile.open(run["model"]) as archive:
        names = set(archive.getnames())
        shapes = json.load(archive.extractfile("model-shapes.json"))
    assert names >= ARTIFACT | {"code/mnist_mlp.py", "code/gluon_job/contract.py"}
    assert shapes == [{"name": "data", "shape": [1, 1, 28, 28]}]
    measured = [json.loads(line) for line in (Path(run["folder"]) / "metrics.jsonl").read_text().splitlines()]
    assert [m["epoch"] for m in measured if m["name"] == "validation:accuracy"] == [0, 1, 2, 3]


@pytest.mark.parametrize("entry_point", ["mnist_mlp", "mnist_cnn"])
def test_the_same_job_gives_the_same_bytes(glaunch, digits, entry_point):
    words = ["run", entry_point, "--data", digits, "-p", "epochs=1", "-p", "batch_size=50"]
    first, second = (json.loads(glaunch(*words, "--json", OMP_NUM_THREADS="1").stdout)["model"] for _ in range(2))
    assert first != second
    assert Path(first).read_bytes() == Path(second).read_bytes()


def test_a_job_file_describes_a_network_of_its_own(glaunch, digits, tmp_path):
    (tmp_path / "job.yaml").write_text(f"""
entry_point: mnist_cnn
name: my-net
channels:
  training: {digits}
  validation: {{source: {digits}}}
hyperparameters:
  epochs: 1
  batch_size: 20
  optimizer: adam
  layers:
    - {{type: conv, channels: 4, kernel: 3, activation: relu}}
    - {{type: batch_norm}}
    - {{type: pool, size: 2}}
    - {{type: dense, units: 8, activation: relu}}
""")
    assert "Completed my-net-" in glaunch("run", tmp_path / "job.yaml").stdout


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def truncated(folder: Path) -> None:
    idx(folder / "train-images-idx3-ubyte", np.zeros((120, 28, 28)))
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])


def wrong_magic(folder: Path) -> None:
    idx(folder / "train-images-idx3-ubyte", np.zeros((120, 28, 28)), magic=b"\x00\x00\x0d\x03")


def fewer_labels(folder: Path) -> None:
    idx(folder / "train-labels-idx1-ubyte", np.zeros(119))


def corrupted(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(content)


def labels_out_of_range(folder: Path) -> None:
    idx(folder / "train-labels-idx1-ubyte", np.full(120, 10))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "truncated"),
        (wrong_magic, "not an IDX file"),
        (fewer_labels, "they are not of one data set"),
        (corrupted, "gzip archive is damaged"),
        (labels_out_of_range, "label 10 at position 0 is out of range"),
        (empty, "training"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_damaged_data_fails_with_one_clear_message(glaunch, digits, damage, message):
    damage(digits)
    done = glaunch("run", "mnist_mlp", "--data", digits, status=1)
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert no_artifact(glaunch)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("epochs=0", "epochs must be at least 1, not 0"),
        ("batch_size=1000", "batch_size"),
        ("epochs=ten", "epochs is a whole number, not 'ten'"),
        ("dropout=2", "dropout must be at most 0.95"),
        ("epoch=3", "did you mean 'epochs'?"),
        ("optimizer=adan", "did you mean 'adam'?"),
        ("learning_rate=1e30", "not finite"),
    ],
)
def test_a_wrong_hyperparameter_fails_with_one_clear_message(glaunch, digits, parameter, message):
    done = glaunch("run", "mnist_mlp", "--data", digits, "-p", parameter, status=1)
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert no_artifact(glaunch)


def test_a_misspelt_channel_suggests_the_right_one(glaunch, digits):
    done = glaunch("run", "mnist_mlp", "--channel", f"trainning={digits}", status=1)
    assert "needs a channel 'training' (did you mean 'trainning'?)" in done.stdout
    assert no_artifact(glaunch)


def no_artifact(glaunch) -> bool:
    run = json.loads(glaunch("show", "--json").stdout)
    return run["state"] == "Failed" and run["model"] is None and not list(Path(run["folder"]).glob(".*"))
