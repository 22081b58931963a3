"""Endpoints as processes: whatever is killed, stuck or stopped, requests are answered and nothing is left."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from launcher import files
from launcher.errors import JobFailed, UserError
from launcher.local.client import InvocationFailed
from launcher.local.endpoint import Endpoint
from launcher.local.service import FAILED, IN_SERVICE, OUT_OF_SERVICE, Settings

ECHO = """
    import json, os, re, subprocess, sys, time

    def model_fn(model_dir):
        return open(os.path.join(model_dir, "weights")).read()

    def transform_fn(net, data, content_type, accept):
        words = json.loads(data)
        time.sleep(words.get("sleep", 0))
        if "spawn" in words:
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            words["spawn"] = child.pid
        if "exit" in words:
            os._exit(words["exit"])
        if "hold" in words:  # the interpreter's lock is held by one call for minutes
            re.match("(a+)+$", "a" * 40 + "b")
        return json.dumps({**words, "net": net, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]})
"""
QUICK = Settings(port=0, load_limit=60.0)


@pytest.fixture
def artifact(tmp_path):
    """`artifact(script=ECHO, **modules)`: a model.tar.gz with that script, and modules beside it."""

    def make(script=ECHO, **modules):
        path = tmp_path / f"{time.monotonic_ns()}" / "model.tar.gz"
        code = path.parent / "model" / "code"
        code.mkdir(parents=True)
        (code.parent / "weights").write_text("7")
        for name, text in {"inference": script, **modules}.items():
            (code / f"{name}.py").write_text(textwrap.dedent(text))
        with tarfile.open(path, "w:gz") as archive:
            archive.add(code.parent, ".")
        return path

    return make


@pytest.fixture
def start(artifact):
    """`start(name="echo", settings=QUICK, script=ECHO)`: a detached endpoint, removed at the end."""
    started = []

    def launch(name="echo", settings=QUICK, script=ECHO, **modules):
        started.append(Endpoint.start(artifact(script, **modules), name, settings, detach=True))
        return started[-1]

    yield launch
    for endpoint in started:
        endpoint.remove()


def call(endpoint, **words):
    """What the script made of the words."""
    with endpoint.client as client:
        return client.invoke(json.dumps(words).encode()).decoded()


def exists(pid):
    """Whether there is such a process, zombies left out."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_of(endpoint):
    """The pids of the processes that know the endpoint's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            known = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(endpoint.folder) in known and exists(path.name):
            found.append(int(path.name))
    return found


def test_an_endpoint_serves_in_a_with_block_and_leaves_nothing(artifact, home):
    with Endpoint.start(artifact(), "echo", QUICK) as endpoint:
        status = endpoint.status
        assert status.state == IN_SERVICE
        assert status.url.startswith("http://127.0.0.1:")
        assert Endpoint.find("ec").name == "echo"
        answer = call(endpoint, a=1)
        assert answer == {"a": 1, "net": "7", "pid": status.workers[0], "threads": "1"}
        assert len(processes_of(endpoint)) == 2
        log = endpoint.log("access").read_text
        until = time.monotonic() + 20
        while "POST /invocations 200" not in log():
            assert time.monotonic() < until
            time.sleep(0.02)
    assert processes_of(endpoint) == []
    assert list((home / "endpoints").iterdir()) == []


def test_predict_sends_an_array_and_gives_the_scripts_answer(start):
    script = """
        import json

        def model_fn(model_dir):
            return 2

        def transform_fn(net, data, content_type, accept):
            return json.dumps([[net * value for value in row] for row in json.loads(data)])
    """
    assert start(script=script).predict([[1, 2], [3, 4]]) == [[2, 4], [6, 8]]


def test_modules_of_the_script_are_found_and_hide_none_of_ours(start):
    script = ECHO.replace("import json,", "import helpers, queue, uvicorn, json,").replace(
        '"net": net', '"net": helpers.A'
    )
    endpoint = start(script=script, helpers="A = 5", launcher="raise ValueError", uvloop="raise ValueError", queue="")
    assert call(endpoint)["net"] == 5


def test_the_requirements_of_a_script_are_installed_for_it(artifact, wheel, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    script = ECHO.replace("import json,", "import tiny_dependency, json,")
    script = script.replace('"net": net', '"net": tiny_dependency.version')
    path = artifact(script)
    code = path.parent / "model" / "code"
    (code / "requirements.txt").write_text(wheel(code, "tiny_dependency", "1.5"))
    with tarfile.open(path, "w:gz") as archive:
        archive.add(code.parent, ".")
    with Endpoint.start(path, "needs", QUICK) as endpoint:
        assert call(endpoint)["net"] == "1.5"


def test_a_killed_worker_is_replaced_and_a_new_connection_waits_for_it(start, wait_until):
    endpoint = start()
    first = call(endpoint)["pid"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not exists(first))
    assert call(endpoint)["pid"] != first
    status = endpoint.status
    assert (status.state, status.restarts, len(status.workers)) == (IN_SERVICE, 1, 1)
    assert "SIGKILL" in endpoint.log("keeper").read_text()


def test_a_script_that_ends_the_process_again_and_again_keeps_being_replaced(start):
    endpoint = start()
    for _ in range(3):
        with pytest.raises(InvocationFailed, match="no answer"):
            call(endpoint, exit=4)
        assert call(endpoint, a=1)["a"] == 1
    assert endpoint.status.restarts == 3


def test_a_stuck_script_is_504_and_its_worker_replaced(start):
    endpoint = start(settings=replace(QUICK, limit=1.0))
    first = call(endpoint)["pid"]
    with pytest.raises(InvocationFailed, match="limit") as raised:
        call(endpoint, sleep=600)
    assert raised.value.status == 504
    assert call(endpoint)["pid"] != first
    assert not exists(first)
    assert "stuck" in endpoint.log("keeper").read_text()


def test_a_script_that_holds_the_interpreter_is_killed(start):
    endpoint = start(settings=replace(QUICK, limit=1.0))
    first = call(endpoint)["pid"]
    with pytest.raises(InvocationFailed, match="no answer"):
        call(endpoint, hold=1)
    assert call(endpoint)["pid"] != first
    assert "no sign of life" in endpoint.log("keeper").read_text()


def test_workers_share_one_address_and_one_that_dies_is_not_missed(start):
    endpoint = start(settings=replace(QUICK, workers=2))
    workers = endpoint.status.workers

    def ask(_):
        return call(endpoint, sleep=0.3)["pid"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) <= set(workers)
        os.kill(workers[0], signal.SIGKILL)
        assert set(pool.map(ask, range(4))) == {workers[1]}


@pytest.mark.parametrize("slow", [0, 1], ids=["first", "second"])
def test_an_endpoint_that_serves_sends_nobody_to_a_worker_that_is_loading(start, tmp_path, slow):
    script = f"""
import os, time

def model_fn(model_dir):
    place = 0
    try:
        os.mkdir({str(tmp_path / "first")!r})
    except FileExistsError:
        place = 1
        os.mkdir({str(tmp_path / "second")!r})
    if place == {slow}:
        while not os.path.exists({str(tmp_path / "second")!r}):
            time.sleep(0.02)
        time.sleep(4)
    return 7

def transform_fn(net, data, content_type, accept):
    return str(os.getpid())
"""
    endpoint = start(settings=replace(QUICK, workers=2), script=script)

    def described(_):
        with endpoint.client as client:
            return client.describe()["kind"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(described, range(200))) == {"script"}


def test_what_the_script_started_goes_with_its_worker(start, wait_until):
    endpoint = start()
    answer = call(endpoint, spawn=1)
    os.kill(answer["pid"], signal.SIGKILL)
    wait_until(lambda: not exists(answer["spawn"]))
    assert call(endpoint)["net"] == "7"


def test_what_the_script_left_to_nobody_does_not_stay_as_a_zombie(start, wait_until):
    script = ECHO.replace(
        'if "spawn" in words:',
        'if "leave" in words:\n            os.system("sh -c \'sleep 0.1 &\'")\n        if "spawn" in words:',
    )
    endpoint = start(script=script)
    keeper = endpoint.status.keeper[0]
    call(endpoint, leave=1)
    children = Path(f"/proc/{keeper}/task/{keeper}/children")
    wait_until(lambda: len(children.read_text().split()) == 2)
    wait_until(lambda: len(children.read_text().split()) == 1)
    assert call(endpoint)["net"] == "7"


def test_a_killed_keeper_takes_its_workers_along_and_its_endpoint_can_be_removed(start, wait_until):
    endpoint = start()
    answer = call(endpoint, spawn=1)
    os.kill(endpoint.status.keeper[0], signal.SIGKILL)
    wait_until(lambda: not exists(answer["pid"]))
    status = endpoint.status
    assert (status.state, status.workers) == (FAILED, ())
    assert "killed" in status.reason
    with pytest.raises(UserError, match="killed"):
        endpoint.predict([1])
    assert exists(answer["spawn"])
    endpoint.remove()
    assert not exists(answer["spawn"])
    assert not endpoint.folder.exists()


def test_an_endpoint_ends_with_the_process_that_started_it(artifact, home, wait_until):
    code = (
        "import time\nfrom pathlib import Path\nfrom launcher.local.endpoint import Endpoint\n"
        "from launcher.local.service import Settings\n"
        f"Endpoint.start(Path({str(artifact())!r}), 'echo', Settings(port=0))\n"
        "print('up', flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "up\n"
        endpoint = Endpoint.find("echo")
        assert len(processes_of(endpoint)) == 2
        parent.kill()
    wait_until(lambda: not processes_of(endpoint))
    assert list((home / "endpoints").iterdir()) == []


def test_requests_in_flight_are_finished_when_an_endpoint_is_stopped(start, wait_until):
    endpoint = start()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(call, endpoint, sleep=1, number=number) for number in range(3)]
        wait_until(lambda: b" 3\n" in metrics(endpoint))
        endpoint.stop()
        assert [answer.result()["number"] for answer in answers] == [0, 1, 2]
    assert endpoint.status.state == OUT_OF_SERVICE
    assert processes_of(endpoint) == []


def metrics(endpoint):
    with endpoint.client as client:
        lines = client._request("GET", "/metrics").body.splitlines(keepends=True)
    return next(line for line in lines if line.startswith(b"glaunch_requests_waiting"))


def test_an_endpoint_whose_folder_is_deleted_ends_itself(start, wait_until):
    import shutil

    endpoint = start()
    shutil.rmtree(endpoint.folder)
    wait_until(lambda: not processes_of(endpoint))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def model_fn(model_dir):\n    raise ValueError('no net')\n", r"ValueError\('no net'\)"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("import os\nos._exit(5)\n", "ended with status 5"),
        ("import sys\nsys.exit('no')\n", "no"),
        ("import time\ntime.sleep(600)\n", "was not loaded within 8 s"),
    ],
)
def test_a_model_that_cannot_be_loaded_fails_with_its_reason(artifact, script, reason):
    with pytest.raises(JobFailed, match=rf"broken does not serve: (?s:.*){reason}"):
        Endpoint.start(artifact(script), "broken", replace(QUICK, load_limit=8.0) if "sleep" in script else QUICK)
    endpoint = Endpoint.find("broken")
    assert endpoint.status.state == FAILED
    assert processes_of(endpoint) == []
    with pytest.raises(UserError, match="broken is Failed"):
        endpoint.predict([1])
    with Endpoint.start(artifact(), "broken", QUICK) as endpoint:  # the name is free again
        assert call(endpoint)["net"] == "7"


def test_a_name_that_serves_is_taken(start, artifact):
    start()
    with pytest.raises(UserError, match="endpoint echo is running: give another --name"):
        Endpoint.start(artifact(), "echo", QUICK)
    assert Endpoint.find("echo").status.state == IN_SERVICE


def test_a_port_that_is_taken_is_named_and_8080_is_only_a_wish(start, artifact):
    endpoint = start()
    port = int(endpoint.url.rsplit(":")[-1].strip("/"))
    with pytest.raises(JobFailed, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use"):
        Endpoint.start(artifact(), "second", replace(QUICK, port=port))
    with pytest.raises(JobFailed, match=r"cannot listen on no\.such\.host\.invalid"):
        Endpoint.start(artifact(), "third", replace(QUICK, host="no.such.host.invalid"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_an_archive_that_is_none_leaves_nothing(tmp_path, home, content):
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.tar\.gz is no model\.tar\.gz that can be extracted"):
        Endpoint.start(path, "model")
    assert list((home / "endpoints").iterdir()) == []


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "../a", "a" * 64, ".a", "ä"])
def test_a_name_that_is_none_is_refused(artifact, name):
    with pytest.raises(UserError, match="no name for an endpoint"):
        Endpoint.start(artifact(), name)


@pytest.mark.parametrize(
    "wrong",
    [{"port": -1}, {"port": 65536}, {"workers": 0}, {"runtime": "tf"}, {"limit": 0}, {"load_limit": 1e9}, {"queue": 0}],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UserError):
        Settings(**wrong)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "x": 2}', '{"format": "1"}'])
def test_a_damaged_record_is_named_and_can_be_removed(home, content):
    folder = home / "endpoints" / "odd"
    folder.mkdir(parents=True)
    for name in ("endpoint.json", "status.json"):
        (folder / name).write_text(content)
    endpoint = Endpoint.find("odd")
    with pytest.raises(UserError, match="the record of endpoint odd cannot be read"):
        _ = endpoint.status
    endpoint.remove()
    assert not folder.exists()


def test_a_record_of_a_newer_glaunch_is_refused_and_can_be_removed(home):
    folder = home / "endpoints" / "new"
    folder.mkdir(parents=True)
    for name in ("endpoint.json", "status.json"):
        files.write_atomic(folder / name, json.dumps({"format": 99}))
    endpoint = Endpoint.find("new")
    with pytest.raises(UserError, match="newer glaunch"):
        _ = endpoint.status
    assert not endpoint.is_running
    endpoint.remove()
    with pytest.raises(UserError, match="no endpoints here"):
        Endpoint.find("new")
