"""AWS's own model server behind an endpoint: multi-model-server, with its MXNet toolkit, as in AWS's container.

It serves the same extracted artifact. What it writes goes into the endpoint's folder, and it listens on 127.0.0.1. It
needs Java and the extra `mms`; its weaknesses are its own (docs/serving.md).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from launcher.errors import UserError
from launcher.local.endpoint import Endpoint
from launcher.local.program import find_script
from launcher.local.rolling_log import RollingLog
from launcher.local.staff import environment

# https://github.com/awslabs/multi-model-server/blob/master/docs/configuration.md; the values are those of AWS's toolkit
# (sagemaker_inference/etc/default-mms.properties), which gives the addresses, the heap and the handler otherwise.
_PROPERTIES = """\
enable_envvars_config=true
decode_input_request=false
load_models=ALL
default_response_timeout={limit}
default_workers_per_model={workers}
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
vmargs=-XX:-UseContainerSupport -Xmx256m -XX:+ExitOnOutOfMemoryError
max_request_size=6291456
default_service_handler=sagemaker_mxnet_serving_container.handler_service
"""
_START = "from mms.model_server import start; start()"
# In its log: the first once for each worker, when /ping has said 200 for seconds; the second in the traceback of a
# script that could not load the model, which is then served all the same.
_LOADED, _FAILING = b"Model model loaded io_fd", b"model_service.initialize(service.context)"
_OUTPUT = b"-stdout "  # marks the lines that a worker printed
_CHUNK = 2**16  # bytes
PORTS = (8080, 2**15 - 1)  # it refuses higher ones


class ModelServer:
    """multi-model-server, as its keeper sees it: like one `staff.Worker`, which does everything.

    Attributes:
        number, started, is_ready, is_alone, failure: as a worker's.

    Raises:
        UserError: Java or the extra is missing.
    """

    number = 0
    is_alone = True

    def __init__(self, endpoint: Endpoint, port: int, selector: selectors.BaseSelector) -> None:
        _check()
        self.is_ready, self.failure, self.started = False, "", time.monotonic()
        self._workers, self._loaded, self._rest = endpoint.settings.workers, 0, b""
        self._is_failing, self._printed = False, ""
        self._selector, self._log = selector, RollingLog(endpoint.log("worker"))
        arguments = _command(endpoint, port)
        # Its sockets are in its temporary directory, and a socket's path has 107 bytes at most: this one is short.
        self._temporary = os.open(endpoint.base / "server" / "tmp", os.O_RDONLY | os.O_DIRECTORY)
        self._process = subprocess.Popen(
            arguments,
            env=_environment(endpoint, f"/proc/{os.getpid()}/fd/{self._temporary}"),
            cwd=endpoint.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output, self.pid = self._process.stdout.fileno(), self._process.pid
        os.set_blocking(self._output, False)
        selector.register(self._output, selectors.EVENT_READ, self._read)

    @property
    def heard(self) -> float:
        """It watches its workers itself: only while it loads it may not be silent for ever."""
        return time.monotonic() if self.is_ready else self.started

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return f"(multi-model-server) ended with status {self._process.returncode}: its log says why"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ends it. It drops the requests in flight."""
        os.killpg(self.pid, signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """Ends it at once."""
        self.failure = self.failure or reason
        os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Reads the last that it said."""
        while self._read():
            pass
        self._forget()
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.close(self._temporary)

    def _read(self) -> bool:
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._forget()
            return False
        self._log.write(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._note(line)
        return True

    def _note(self, line: bytes) -> None:
        if _LOADED in line:
            if self._is_failing:
                self.kill(self._printed)
            self._loaded += 1
            self.is_ready = self._loaded >= self._workers and not self.failure
        elif _OUTPUT in line:
            self._is_failing = self._is_failing or _FAILING in line
            self._printed = line.decode("utf-8", "replace").partition(" - ")[2]

    def _forget(self) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._output)


def _check() -> None:
    if shutil.which("java") is None:
        raise UserError("--server mms needs Java: install a JRE (Debian: apt-get install default-jre-headless)")
    for name in ("mms", "sagemaker_inference", "sagemaker_mxnet_serving_container"):
        if importlib.util.find_spec(name) is None:
            raise UserError("--server mms needs AWS's model server: pip install 'gluon-launcher[mms]'")


def _command(endpoint: Endpoint, port: int) -> list[str]:
    folder = endpoint.base / "server"
    for name in ("tmp", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = endpoint.settings
    properties = folder / "mms.properties"
    properties.write_text(
        _PROPERTIES.format(
            limit=max(1, round(settings.limit)), workers=settings.workers, port=port, management=_free_port()
        )
    )
    toolkit = importlib.util.find_spec("sagemaker_inference")
    assert toolkit is not None
    assert toolkit.origin is not None
    log_config = Path(toolkit.origin).parent / "etc" / "log4j2.xml"
    # `--models name=path` takes a directory as it is: what an archive holds was checked when it was extracted.
    return [
        settings.python,
        "-c",
        _START,
        *("--start", "--foreground", "--model-store", "/", "--models", f"model={endpoint.model}"),
        *("--mms-config", str(properties), "--log-config", str(log_config)),
    ]


def _environment(endpoint: Endpoint, temporary: str) -> dict[str, str]:
    folder, code = endpoint.base / "server", endpoint.model / "code"
    variables = environment(endpoint)
    script = None if "SAGEMAKER_PROGRAM" in variables else find_script(code)
    return {
        **variables,
        "PYTHONPATH": os.pathsep.join([variables["PYTHONPATH"], str(code)]),
        # It starts its workers with `python`.
        "PATH": os.pathsep.join([str(Path(endpoint.settings.python).parent), variables.get("PATH", os.defpath)]),
        **dict.fromkeys(("TMPDIR", "TEMP"), temporary),
        **dict.fromkeys(("LOG_LOCATION", "METRICS_LOCATION"), str(folder / "logs")),
        **({"SAGEMAKER_PROGRAM": script.name} if script else {}),
    }


def _free_port() -> int:
    for port in random.sample(range(*PORTS), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise UserError("no free port for the model server's management")
