"""Several hosts with the real parameter server train as one would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

# Trains every combination in one job, and one host's reference of each: the same batches through gluon's own Trainer.
SCRIPT = """
import os

import numpy as np
from gluon_job import cluster, contract, fit
from gluon_job.compat import mx
from gluon_job.hyperparameters import parse
from gluon_job.order import Order

OPTIMIZERS = {"sgd": {"learning_rate": 0.02}, "adam": {"learning_rate": 0.001}}
UNEVEN = [37, 11, 23, 5]  # samples of each host, where each has its own; the last batches are partial
BATCH = 12


def data(count):
    random = np.random.RandomState(7)
    return random.randint(0, 256, (count, 1, 6, 6)).astype(np.uint8), random.randint(0, 3, count)


def build():
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(8, activation="tanh"), mx.gluon.nn.Dense(3))
    return net


def parameters(net):
    return np.concatenate([p.data().asnumpy().ravel() for p in net.collect_params().values()])


def reference(values, images, labels, batches):
    net = build()
    fit.initialize(net, images.shape[1:], values["seed"], [mx.cpu()])
    options = {"learning_rate": values["learning_rate"], "wd": 0.0}
    if values["optimizer"] == "sgd":
        options["momentum"] = values["momentum"]
    trainer = mx.gluon.Trainer(net.collect_params(), values["optimizer"], options)
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for batch in batches:
        with mx.autograd.record():
            total = loss(net(mx.nd.array(images[batch] / np.float32(255))), mx.nd.array(labels[batch])).sum()
        total.backward()
        trainer.step(len(batch))
    return parameters(net)


def train(hosts, current_host, num_gpus, output_data_dir):
    several = cluster.Cluster(hosts, current_host, num_gpus)
    samples = UNEVEN[: len(hosts)]
    ends = np.cumsum([0] + samples)
    images, labels = data(int(ends[-1]))
    found = {}
    for optimizer, options in OPTIMIZERS.items():
        for sharded in (False, True):
            values = parse({"optimizer": optimizer, "batch_size": BATCH, "epochs": 1, **options}, fit.HYPERPARAMETERS)
            mine = slice(ends[several.index], ends[several.index + 1]) if sharded else slice(None)
            net = build()
            history = fit.fit(net, (images[mine], labels[mine]), (images, labels), values, [mx.cpu()], several, sharded)
            sizes = samples if sharded else [len(images)] * len(hosts)
            orders = [Order(sizes, i, sharded, BATCH, values["seed"]) for i in range(len(hosts))]
            offsets = ends[:-1] if sharded else [0] * len(hosts)
            batches = [
                np.concatenate([part + offset for part, offset in zip(parts, offsets)])
                for epoch in range(1)
                for parts in zip(*(order.epoch(epoch)[0] for order in orders))
            ]
            name = f"{optimizer} {'sharded' if sharded else 'replicated'}"
            found[name] = parameters(net)
            found[name + " reference"] = reference(values, images, labels, batches)
            found[name + " accuracy"] = history[-1].validation["accuracy"]
            found[name + " seen"] = np.sort(np.concatenate(batches[: orders[0].steps]))
    np.savez(os.path.join(output_data_dir, "found.npz"), **found)
    return net


def save(net, model_dir):
    net.save_parameters(os.path.join(model_dir, "net.params"))


if __name__ == "__main__":
    contract.main(train, save)
"""


@pytest.mark.parametrize("hosts", [2, 3, 4])
def test_hosts_give_the_weights_of_one_host_with_the_same_batches(glaunch, script, hosts):
    glaunch("run", script(SCRIPT), "--hosts", hosts)
    run = json.loads(glaunch("show", "--json").stdout)
    names = run["hosts"]
    assert list(names) == [f"algo-{i}" for i in range(1, hosts + 1)]
    assert len({host["digest"] for host in names.values()}) == 1
    found = [dict(np.load(Path(run["folder"]) / "hosts" / name / "output" / "data" / "found.npz")) for name in names]
    for name in ("sgd replicated", "sgd sharded", "adam replicated", "adam sharded"):
        for host in found:
            assert np.abs(host[name] - host[name + " reference"]).max() < 1e-6, name
            assert np.array_equal(host[name], found[0][name])
            assert host[name + " accuracy"] == found[0][name + " accuracy"]
            assert np.array_equal(host[name + " seen"], np.arange(len(host[name + " seen"])))


def test_the_main_job_on_two_hosts_prints_and_saves_once(glaunch):
    alone = glaunch("run", "mnist_mlp", "-p", "epochs=2", "--json", OMP_NUM_THREADS="1")
    done = glaunch("run", "mnist_mlp", "-p", "epochs=2", "--hosts", 2, "--json")
    one, two = json.loads(alone.stdout), json.loads(done.stdout)
    assert one["metrics"]["train:loss"] == pytest.approx(two["metrics"]["train:loss"], abs=1e-4)
    assert done.stderr.count("Validation: accuracy") == 2
    assert [host["samples"] for host in two["hosts"].values()] == [2000, 2000]
    assert Path(two["model"]).is_file()
    assert not any((Path(two["folder"]) / "hosts" / "algo-2" / "model").iterdir())


def test_a_job_whose_hosts_end_with_different_parameters_fails(glaunch, script):
    path = script("""
        import os
        from gluon_job import cluster, contract

        def train(hosts, current_host, num_gpus):
            cluster.Cluster(hosts, current_host, num_gpus).sum("together", [1])
            print(f"Parameters: digest {hosts.index(current_host):016x}")

        def save(net, model_dir):
            open(os.path.join(model_dir, "weights"), "w").close()

        if __name__ == "__main__":
            contract.main(train, save)
    """)
    assert "the hosts ended with different parameters" in glaunch("run", path, "--hosts", 2, status=1).stdout


def test_an_array_that_is_divided_among_the_servers_is_summed_whole(glaunch, script):
    path = script("""
        import os
        import numpy as np
        from gluon_job import cluster, contract
        from gluon_job.compat import mx

        def train(hosts, current_host, num_gpus):
            group = cluster.Cluster(hosts, current_host, num_gpus)
            values = np.arange(300_000, dtype=np.float32)
            for factor in (1, 2):
                array = mx.nd.array(values * factor)
                group.sum_in_place("large", array)
                assert np.array_equal(array.asnumpy(), values * factor * len(hosts))

        def save(net, model_dir):
            open(os.path.join(model_dir, "weights"), "w").close()

        if __name__ == "__main__":
            contract.main(train, save)
    """)
    glaunch("run", path, "--hosts", 2)
