"""Jobs of two hosts with the real parameter server, in which something goes wrong: they end, say why and leave nothing.

By default a part of the table runs, each event in each role and each moment several times; with
GLAUNCH_ALL_FAILURES=1 the whole table does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest

from launcher import processes

# A host that trains, and says when; a second file has what differs between scripts of ours and other people's.
VICTIM = """
    import json, os, sys, time
    from pathlib import Path

    SIGNS, EVENT, MOMENT, VICTIM = Path(os.environ["SIGNS"]), *os.environ["TRIED"].split()
    HOST = os.environ["SM_CURRENT_HOST"]
    FIRST = HOST == json.loads(os.environ["SM_HOSTS"])[0]

    def reach(moment):
        # Leaves a sign that a moment has come; true if this host shall return early there.
        (SIGNS / f"{moment} {HOST}").touch()
        if (moment, HOST) == (MOMENT, VICTIM):
            if EVENT == "raise":
                raise ValueError("of mine")
            if EVENT == "exit":
                sys.exit(3)
        return (EVENT, moment, HOST) == ("return", MOMENT, VICTIM)

    def goes_on():
        # Whether the moment that is tried has not come yet.
        return not (SIGNS / "done").exists()

    def train_steps(summed):
        for step in range(10**6):
            total = summed(step, goes_on())
            if step == 5 and reach("training"):
                return
            if step > 20 and not (MOMENT == "training" and total > 0):
                return

    def save_slowly(directory):
        with open(os.path.join(directory, "weights"), "w") as file:
            file.write("half")
            file.flush()
            reach("save")
            while MOMENT == "save" and goes_on():
                time.sleep(0.02)
            file.write(" and half")

    print("begun on", HOST)
"""
FOREIGN = """
    if __name__ == "__main__" and not reach("start"):
        import mxnet as mx

        store = mx.kv.create("dist_sync")
        store.init(3, mx.nd.zeros(1))

        def summed(step, value):
            array = mx.nd.array([value])
            store.pushpull(3, array, out=array)
            return array.asscalar()

        train_steps(summed)
        if FIRST:
            save_slowly(os.environ["SM_MODEL_DIR"])
"""
OURS = """
    from gluon_job import cluster, contract, watchdog

    def train(hosts, current_host):
        if reach("start"):
            return
        group = cluster.Cluster(hosts, current_host)

        def summed(step, value):
            watchdog.current().step()
            return group.sum("x", [value])[0]

        train_steps(summed)

    def save(net, model_dir):
        save_slowly(model_dir)

    if __name__ == "__main__":
        contract.main(train, save)
"""
SCRIPTS = {"foreign": FOREIGN, "ours": OURS}
SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "stop": signal.SIGSTOP}
SAID = {
    "kill": "was ended by SIGKILL",
    "terminate": "was ended by SIGTERM",
    "stop": "was stopped by a signal",
    "raise": "ValueError: of mine",
    "exit": "exited with status 3",
    "return": "did not take the same number of steps",
}
ALL = [
    (role, event, moment, kind)
    for role in ("worker", "server", "scheduler")
    for event in (SAID if role == "worker" else SIGNALS)
    for moment in ("start", "training", "save")
    for kind in SCRIPTS
    # A script that returns early from its save has saved what it wanted to.
    if (event, moment) != ("return", "save")
]
SOME = [
    ("worker", "kill", "training", "foreign"),
    ("worker", "terminate", "start", "ours"),
    ("worker", "stop", "save", "foreign"),
    ("worker", "raise", "save", "ours"),
    ("worker", "exit", "start", "foreign"),
    ("worker", "return", "training", "foreign"),
    ("server", "kill", "start", "foreign"),
    ("server", "terminate", "save", "ours"),
    ("server", "stop", "training", "ours"),
    ("scheduler", "kill", "training", "ours"),
    ("scheduler", "terminate", "start", "foreign"),
    ("scheduler", "stop", "training", "foreign"),
]


class Job:
    """A job of two hosts, started with `glaunch run`."""

    def __init__(self, directory: Path, home: Path, text: str, tried: str = "none none none") -> None:
        self.signs, self._home = directory / "signs", home
        self.signs.mkdir()
        (directory / "script.py").write_text(text, "utf-8")
        job = {
            "entry_point": "script.py",
            "hosts": 2,
            # The first step has a long deadline: how long it takes to import MXNet depends on what else goes on.
            "deadlines": {"start": 60, "stall": 5, "finish": 5},
            "environment": {"SIGNS": str(self.signs), "TRIED": tried},
        }
        (directory / "job.yaml").write_text(json.dumps(job))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launcher", "run", str(directory / "job.yaml")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def folder(self) -> Path:
        return next((self._home / "runs").iterdir())

    @property
    def record(self) -> dict:
        return json.loads((self.folder / "status.json").read_text())

    def variables(self) -> dict[int, dict[str, str]]:
        """The variables of each process that belongs to the job."""
        found = {}
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                items = Path(f"/proc/{pid}/environ").read_text().split("\0")
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            variables = dict(item.split("=", 1) for item in items if "=" in item)
            if variables.get("SAGEMAKER_BASE_DIR", "").startswith(f"{self._home}/") and state != "Z":
                found[pid] = variables
        return found

    def find(self, role: str, host: str) -> int | None:
        for pid, variables in self.variables().items():
            if (variables["DMLC_ROLE"], variables["SM_CURRENT_HOST"]) == (role, host):
                self.port = int(variables["DMLC_PS_ROOT_PORT"])
                return pid
        return None

    def wait(self) -> str:
        """What it printed, when it has ended."""
        return self.process.communicate(timeout=100)[0]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for pid in self.variables():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def start(tmp_path, home):
    """`start(text, tried)`: a Job of that script, ended with the test."""
    jobs = []

    def begin(*words):
        jobs.append(Job(tmp_path, home, *words))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.close()


def script_of(kind):
    return textwrap.dedent(VICTIM) + textwrap.dedent(SCRIPTS[kind])


def assert_nothing_is_left(job):
    assert not job.variables()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", job.port), timeout=5)
    assert [path.name for path in job.folder.glob("*") if path.name.startswith((".", "model"))] == []


@pytest.mark.parametrize(
    ("role", "event", "moment", "kind"),
    ALL if os.environ.get("GLAUNCH_ALL_FAILURES") else SOME,
    ids=lambda word: word,
)
def test_a_job_in_which_one_process_fails_ends_and_says_why(start, wait_until, role, event, moment, kind):
    host = "algo-2" if role != "scheduler" and moment != "save" else "algo-1"  # only the first host saves
    job = start(script_of(kind), f"{event} {moment} {host}")
    victim = None

    def has_come():
        nonlocal victim
        victim = job.find(role, host)
        return victim and (moment == "start" or (job.signs / f"{moment} {host}").exists())

    if event in SIGNALS:
        wait_until(has_come, seconds=60)
        os.kill(victim, SIGNALS[event])
    else:  # it is the process's own doing, which may be gone at once
        wait_until(lambda: job.find("scheduler", "algo-1"), seconds=60)
        wait_until((job.signs / f"{moment} {host}").exists, seconds=60)
    (job.signs / "done").touch()
    out = job.wait()
    assert job.process.returncode == 1, out
    name = host if role == "worker" else f"{role} of {host}"
    reason = job.record["reason"]
    assert name in reason
    assert SAID[event] in reason
    if event in ("kill", "terminate", "raise", "exit"):  # nobody else is named, or named first
        assert reason.startswith((f"{name}: ", f"the {name} "))
    assert reason in out
    assert (job.folder / "failure").read_text().startswith(reason)
    assert_nothing_is_left(job)
    if moment != "start":
        for other in ("algo-1", "algo-2"):
            assert f"begun on {other}\n" in (job.folder / "logs" / f"{other}.log").read_text()


@pytest.mark.parametrize("whom", ["glaunch", "supervisor"])
def test_a_job_whose_launcher_is_killed_leaves_nothing(start, wait_until, whom):
    job = start(script_of("foreign"), "none training none")
    wait_until(lambda: job.find("scheduler", "algo-1") and (job.signs / "training algo-2").exists(), seconds=60)
    assert len(job.variables()) == 5
    supervisor = tuple(job.record["supervisor"])
    os.kill(job.process.pid if whom == "glaunch" else supervisor[0], signal.SIGKILL)
    job.wait()
    wait_until(lambda: not job.variables() and not processes.is_alive(*supervisor))
    assert_nothing_is_left(job)


def test_a_job_whose_supervisor_was_stopped_can_be_stopped(start, wait_until, glaunch):
    job = start(script_of("foreign"), "none training none")
    wait_until(lambda: job.find("worker", "algo-2"), seconds=60)
    supervisor = tuple(job.record["supervisor"])
    os.kill(supervisor[0], signal.SIGSTOP)
    glaunch("stop")
    job.wait()
    assert not processes.is_alive(*supervisor)
    assert job.record["state"] == "Stopped"
    assert_nothing_is_left(job)


MODULE = """
    import json
    import os

    import mxnet as mx
    import numpy as np
    from sagemaker_mxnet_container.training_utils import save

    if __name__ == "__main__":
        hosts, host = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
        mx.random.seed(1)
        images = np.random.RandomState(2).rand(40, 4)[hosts.index(host) :: len(hosts)]
        labels = (images[:, 0] > 0.5).astype(np.float)
        data = mx.io.NDArrayIter(images, labels, 5, label_name="softmax_label")
        net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="dense")
        module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
        module.fit(data, num_epoch=3, kvstore="dist_sync", eval_metric="acc")
        weights = module.get_params()[0]["dense_weight"].asnumpy()
        print("ended with", weights.tolist(), flush=True)
        save(os.environ["SM_MODEL_DIR"], module)
"""
TRAINER = """
    import numpy as np
    from mxnet import autograd, gluon, init, nd

    def train(channel_input_dirs, hyperparameters, hosts, num_gpus, current_host, **kwargs):
        net = gluon.nn.Dense(2, in_units=4)
        net.initialize(init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore="dist_sync")
        images = nd.array(np.random.RandomState(2).rand(40, 4)[hosts.index(current_host) :: len(hosts)])
        for first in range(0, 20, 5):
            with autograd.record():
                loss = (net(images[first : first + 5]) ** 2).sum()
            loss.backward()
            trainer.step(10)
        print("ended with", net.weight.data().asnumpy().tolist(), flush=True)
        return net

    def save(net, model_dir):
        net.save_parameters(model_dir + "/net.params")
"""


@pytest.mark.parametrize(("text", "artifact"), [(MODULE, "model-0000.params"), (TRAINER, "net.params")])
def test_a_script_that_knows_nothing_of_glaunch_trains_on_two_hosts(start, text, artifact):
    job = start(textwrap.dedent(text))
    out = job.wait()
    assert job.process.returncode == 0, out
    ended = [line.partition("ended with ")[2] for line in out.splitlines() if "ended with" in line]
    assert len(ended) == 2
    assert ended[0] == ended[1]  # the hosts really trained together
    with tarfile.open(job.folder / "model.tar.gz") as archive:
        assert artifact in archive.getnames()
    assert not job.variables()


DRIVER = """
import sys
import tarfile
from pathlib import Path
from launcher import jobfile
from launcher.local import parameter_server, runner
from launcher.run import Run

free_port, offered = parameter_server.free_port, [int(sys.argv[2])]
parameter_server.free_port = lambda: offered.pop() if offered else free_port()
sys.exit(runner.main(str(Run.create(jobfile.read(Path(sys.argv[1]))).folder)))
"""
SUM_ONCE = """
    import os
    import mxnet as mx

    if __name__ == "__main__":
        store = mx.kv.create("dist_sync")
        store.init(3, mx.nd.zeros(1))
        array = mx.nd.ones(1)
        store.pushpull(3, array, out=array)
        open(os.path.join(os.environ["SM_MODEL_DIR"], f"sum-{array.asscalar():g}"), "w").close()
"""


def test_a_port_that_someone_else_has_taken_is_exchanged_for_another(script, tmp_path, home):
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps({"entry_point": str(script(SUM_ONCE)), "hosts": 2}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [sys.executable, "-c", DRIVER, str(job), str(taken.getsockname()[1])]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    folder = next((home / "runs").iterdir())
    assert done.returncode == 0, done.stderr + (folder / "status.json").read_text()
    assert "bind failed" in (folder / "logs" / "algo-1.scheduler.log").read_text()
    with tarfile.open(folder / "model.tar.gz") as archive:
        assert "sum-2" in archive.getnames()
