"""The floor of `serving.py`: a process that answers request after request, with no HTTP."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS = 0.5  # of each turn and type of body


def bodies() -> dict[str, bytes]:
    """One image as JSON and 100 as NPY, of random values from 0 to 1, by content type."""
    images = np.random.default_rng(0).random((100, 784)).round(3).astype(np.float32)
    content = io.BytesIO()
    np.save(content, images)
    one = json.dumps([round(value, 3) for value in images[0].tolist()])
    return {"application/json": one.encode(), "application/x-npy": content.getvalue()}


@contextlib.contextmanager
def floor(name: str, model: Path) -> Iterator[Callable[[], dict[str, float]]]:
    """A process that answers without HTTP; calling it gives milliseconds, the median, by the type of the body."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    environment.update({"MXNET_ENGINE_TYPE": "NaiveEngine"} if name == "ours" else {})
    command = [sys.executable, __file__, name, str(model)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:

        def run() -> dict[str, float]:
            process.stdin.write("go\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            yield run
        finally:
            process.kill()


def answer_for_ever(name: str, model: Path) -> None:
    """The floor's process: a line in, a line out."""
    respond = plain(model) if name == "plain" else ours(model)
    for _ in sys.stdin:
        medians = {}
        for content_type, body in bodies().items():
            taken, until = [], time.perf_counter() + _SECONDS
            while (begin := time.perf_counter()) < until:
                respond(body, content_type)
                taken.append(time.perf_counter() - begin)
            medians[content_type] = 1000 * statistics.median(taken)
        print(json.dumps(medians), flush=True)


def plain(model: Path) -> Callable[[bytes, str], str]:
    """As anyone would write it."""
    np.bool = np.bool_
    import mxnet as mx

    net = mx.gluon.SymbolBlock.imports(str(model / "model-symbol.json"), ["data"], str(model / "model-0000.params"))
    net.hybridize(static_alloc=True, static_shape=True)

    def respond(body: bytes, content_type: str) -> str:
        rows = json.loads(body) if content_type == "application/json" else np.load(io.BytesIO(body))
        samples = mx.nd.array(np.asarray(rows, np.float32).reshape(-1, 1, 28, 28))
        return json.dumps(mx.nd.softmax(net(samples)).asnumpy().tolist())

    return respond


def ours(model: Path) -> Callable[[bytes, str], Any]:
    """With the code of our server."""
    from launcher.local.model import Request
    from launcher.local.model import load as load_model

    loaded = load_model(model)
    return lambda body, content_type: loaded.answer([Request(body, content_type, "application/json")])


if __name__ == "__main__":
    answer_for_ever(sys.argv[1], Path(sys.argv[2]))
