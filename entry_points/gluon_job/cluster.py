"""The hosts of a job and the devices of a host."""

from typing import Any, List, Sequence

from gluon_job.compat import mx


def kvstore_type(hosts: Sequence[str], num_gpus: int) -> str:
    """The kvstore of a job, by the contract of SageMaker's MXNet scripts.

    One host: `device` (gradients are summed on the GPUs) or `local`. Several: `dist_device_sync` or `dist_sync`.
    """
    if len(hosts) == 1:
        return "device" if num_gpus > 0 else "local"
    return "dist_device_sync" if num_gpus > 0 else "dist_sync"


def contexts(num_gpus: int) -> List[Any]:
    """The MXNet contexts of this host: its GPUs, or its CPU."""
    return [mx.gpu(i) for i in range(num_gpus)] or [mx.cpu()]
