"""Jobs that are interrupted, and go on from their checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

# Ends with its parameters in the output directory; fails once, after so many epochs, where it is told to.
SCRIPT = """
import os

import numpy as np
from gluon_job import checkpoint, cluster, contract, fit
from gluon_job.compat import mx
from gluon_job.hyperparameters import parse


def build():
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(8, activation="tanh"), mx.gluon.nn.Dropout(0.2 if DROPOUT else 0))
        net.add(mx.gluon.nn.Dense(3))
    return net


def train(hyperparameters, hosts, current_host, num_gpus, output_data_dir):
    global DROPOUT
    DROPOUT = hyperparameters.pop("dropout", False)
    fails_at = hyperparameters.pop("fails_at", None)
    random = np.random.RandomState(7)
    images, labels = random.randint(0, 256, (50, 1, 6, 6)).astype(np.uint8), random.randint(0, 3, 50)
    values = parse({"batch_size": 12, "learning_rate": 0.01, **hyperparameters}, fit.HYPERPARAMETERS)
    net, several, checkpoints = build(), cluster.Cluster(hosts, current_host, num_gpus), checkpoint.of_this_job()
    write = checkpoints.write

    def write_and_fail(epoch, *rest):
        write(epoch, *rest)
        if epoch == fails_at and checkpoints.latest()[0]["position"][0] - 1 == fails_at and not os.path.exists(FAILED):
            open(FAILED, "w").close()
            raise RuntimeError("the machine is gone")

    checkpoints.write = write_and_fail
    fit.fit(net, (images, labels), None, values, [mx.cpu()], several, checkpoints=checkpoints)
    found = {p.name: p.data().asnumpy() for p in net.collect_params().values()}
    np.savez(os.path.join(output_data_dir, "found.npz"), **found)
    return net


def save(net, model_dir):
    net.save_parameters(os.path.join(model_dir, "net.params"))


FAILED = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "..", "..", "failed-once")
if __name__ == "__main__":
    contract.main(train, save)
"""


def parameters(run: dict, host: str = "algo-1") -> dict[str, np.ndarray]:
    return dict(np.load(Path(run["folder"]) / "hosts" / host / "output" / "data" / "found.npz"))


def check_close(one: dict, other: dict, limit: float) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert np.abs(values - other[name]).max() <= limit, name


def shown(glaunch, *words: object, status: int = 0) -> dict:
    return json.loads(glaunch("run", *words, "--json", status=status).stdout)


@pytest.mark.parametrize("optimizer", ["adam"])
def test_two_hosts_resumed_equal_two_hosts_uninterrupted(glaunch, script, optimizer):
    path = script(SCRIPT)
    values = ("-p", f"optimizer={optimizer}", "--hosts", 2, "--checkpoint-every", 1)
    whole = shown(glaunch, path, "-p", "epochs=4", *values)
    half = shown(glaunch, path, "-p", "epochs=2", *values)
    resumed = shown(glaunch, "--resume", half["name"], "-p", "epochs=4")
    assert "Resumed after epoch 1" in Path(resumed["hosts"]["algo-1"]["log"]).read_text()
    assert len({host["digest"] for host in resumed["hosts"].values()}) == 1
    for host in ("algo-1", "algo-2"):
        check_close(parameters(whole, host), parameters(resumed, host), 1e-6)
    # The same batches, whatever the number of hosts.
    alone = shown(glaunch, "--resume", half["name"], "-p", "epochs=4", "--hosts", 1)
    check_close(parameters(whole), parameters(alone), 1e-6)


def test_a_job_that_failed_is_tried_again_from_its_checkpoint(glaunch, script):
    path = script(SCRIPT)
    values = ("-p", "epochs=4", "-p", "dropout=true", "--checkpoint-every", "1 epoch")
    whole = shown(glaunch, path, *values)
    assert whole["restarts"] == []
    tried = shown(glaunch, path, *values, "-p", "fails_at=1", "--retries", 2)
    (restart,) = tried["restarts"]
    assert restart.startswith("attempt 2 of 3: RuntimeError: the machine is gone; it goes on after epoch 2; ")
    log = Path(tried["hosts"]["algo-1"]["log"]).read_text()
    assert (
        log.index("RuntimeError: the machine is gone") < log.index("[glaunch] attempt 2") < log.index("Resumed after")
    )
    check_close(parameters(whole), parameters(tried), 0)
    assert "restarted" in glaunch("show", tried["name"]).stdout


def test_what_fails_each_time_fails_with_the_last_reason(glaunch, script):
    path = script("""
        import os, pathlib

        if __name__ == "__main__":
            mark = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]).parent / "tried"
            mark.touch()
            with mark.open("a") as file:
                file.write("x")
            times = len(mark.read_text())
            if times < 3:
                raise RuntimeError(f"the failure of attempt {times}")
            os._exit(3)
    """)
    failed = shown(glaunch, path, "--retries", 2, status=1)
    assert [text.partition(";")[0] for text in failed["restarts"]] == [
        "attempt 2 of 3: RuntimeError: the failure of attempt 1",
        "attempt 3 of 3: RuntimeError: the failure of attempt 2",
    ]
    assert "it goes again from the beginning" in failed["restarts"][0]
    # The tracebacks in the log are those of the attempts before.
    assert failed["reason"] == "the script exited with status 3"
    assert glaunch("explain").stdout.splitlines()[0] == "the script exited with status 3"


def test_a_drill_kills_a_host_and_the_job_goes_on_from_its_checkpoint(glaunch, script):
    # Without its checkpoint it would never end.
    path = script("""
        import json, os, pathlib, time

        if __name__ == "__main__":
            base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
            assert not (base / "left-behind").exists()
            (base / "left-behind").touch()
            kept = base / "checkpoints" / "state.txt"
            if not kept.exists():
                kept.touch()
                print("[Epoch 4] Checkpoint: state.txt", flush=True)
                print("[Epoch 5 Batch 20] Training: accuracy=0.9, 100.0 samples/s", flush=True)
                time.sleep(600)
            open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w").close()
    """)
    done = shown(glaunch, path, "--hosts", 2, "--kill-after", 5)
    (restart,) = done["restarts"]
    assert restart.startswith("attempt 2 of 2: algo-2 was killed as a drill; it goes on after epoch 5; ")
    assert restart.endswith(" s are lost, epoch 6, batch 20 had been reached")
    assert [host["exit_status"] for host in done["hosts"].values()] == [0, 0]


def test_a_drill_that_comes_too_late_is_told(glaunch, script):
    path = script("""
        import os

        if __name__ == "__main__":
            open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w").close()
    """)
    assert "no drill: the job was over" in glaunch("run", path, "--kill-after", 100).stdout


def test_a_run_without_checkpoints_cannot_be_resumed(glaunch, script):
    path = script("def train():\n    pass\n\ndef save(net, model_dir):\n    open(model_dir + '/x', 'w').close()\n")
    run = shown(glaunch, path)
    assert "left no checkpoints" in glaunch("run", "--resume", run["name"], status=2).stderr
    assert len(json.loads(glaunch("ls", "--json").stdout)) == 1


def test_a_script_of_another_kind_finds_its_own_checkpoints_again(glaunch, script):
    path = script("""
        import os, pathlib

        if __name__ == "__main__":
            kept = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "checkpoints" / "state.txt"
            print("found", kept.read_text() if kept.exists() else "nothing", flush=True)
            kept.write_text("all I know")
            open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w").close()
    """)
    first = shown(glaunch, path)
    again = shown(glaunch, "--resume", first["name"])
    assert "found all I know" in Path(again["hosts"]["algo-1"]["log"]).read_text()
