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
