import pytest

from gluon_job.cluster import contexts, kvstore_type
from gluon_job.compat import mx


@pytest.mark.parametrize(("hosts", "num_gpus", "kind"), [
    (["algo-1"], 0, "local"),
    (["algo-1"], 1, "device"),
    (["algo-1"], 8, "device"),
    (["algo-1", "algo-2"], 0, "dist_sync"),
    (["algo-1", "algo-2"], 1, "dist_device_sync"),
    (["algo-1", "algo-2", "algo-3"], 8, "dist_device_sync"),
])  # fmt: skip
def test_the_kvstore_follows_from_hosts_and_gpus(hosts, num_gpus, kind):
    assert kvstore_type(hosts, num_gpus) == kind


def test_a_host_without_gpus_computes_on_its_cpu():
    assert contexts(0) == [mx.cpu()]


def test_a_host_with_gpus_computes_on_each():
    assert contexts(2) == [mx.gpu(0), mx.gpu(1)]


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
