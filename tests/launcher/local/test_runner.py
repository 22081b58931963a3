"""Jobs of scripts that this project did not write, run to their end on one local host."""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SAVES = """
    import os

    if __name__ == "__main__":
        with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w") as file:
            file.write("1")
"""


def the_run(glaunch) -> dict:
    return json.loads(glaunch("show", "--json").stdout)


def members(path: str) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_a_script_mode_file_gets_its_hyperparameters_as_arguments(glaunch, script):
    path = script("""
        import argparse, json, os

        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--epochs", type=int)
            parser.add_argument("--learning-rate", type=float)
            parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
            parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
            arguments = parser.parse_args()
            print(arguments.epochs, arguments.learning_rate, os.listdir(arguments.train), os.environ["SM_HOSTS"])
            open(os.path.join(arguments.model_dir, "weights"), "w").close()
    """)
    (path.parent / "data").mkdir()
    (path.parent / "data" / "a.csv").write_text("1")
    out = glaunch("run", path, "-p", "epochs=3", "-p", "learning-rate=0.5", "--channel", f"train={path.parent}/data")
    assert "3 0.5 ['a.csv'] [\"algo-1\"]" in out.stdout


def test_a_file_with_a_main_runs_as_a_script_whatever_it_defines(glaunch, script):
    path = script(SAVES + "\n    def train(**kwargs):\n        raise RuntimeError('it was called')\n")
    glaunch("run", path)


def test_the_older_kind_is_called_and_its_save_is_used(glaunch, script):
    path = script("""
        import os

        def train(hyperparameters, channel_input_dirs, current_host, num_cpus):
            return hyperparameters["n"] * 2

        def save(net, model_dir):
            with open(os.path.join(model_dir, "answer"), "w") as file:
                file.write(str(net))
    """)
    glaunch("run", path, "-p", "n=21")
    run = the_run(glaunch)
    with tarfile.open(run["model"]) as archive:
        assert archive.extractfile("answer").read() == b"42"
    assert "code/script.py" in members(run["model"])


def test_plain_mxnet_and_the_images_modules_are_importable(glaunch, script):
    path = script("""
        import json
        import os

        import mxnet as mx
        import numpy as np
        from sagemaker_mxnet_container.training_utils import save, scheduler_host

        if __name__ == "__main__":
            data = mx.io.NDArrayIter(np.ones((8, 4), np.float), np.ones(8), 4, label_name="softmax_label")
            output = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2), name="softmax")
            module = mx.mod.Module(output)
            module.fit(data, num_epoch=2)
            assert scheduler_host(json.loads(os.environ["SM_HOSTS"])) == "algo-1"
            save(os.environ["SM_MODEL_DIR"], module)
    """)
    glaunch("run", path)
    run = the_run(glaunch)
    assert {"model-symbol.json", "model-0000.params", "model-shapes.json"} <= set(members(run["model"]))
    assert not [name for name in members(run["model"]) if "gluon_job" in name]


def test_a_source_directory_brings_helpers_and_requirements(glaunch, script, wheel):
    script("VALUE = 7\n", "helpers.py")
    imports = "import os\n    import helpers\n    import tiny_dependency"
    path = script(SAVES.replace("import os", imports) + "        print(helpers.VALUE, tiny_dependency.version)\n")
    (path.parent / "requirements.txt").write_text(wheel(path.parent, "tiny_dependency", "1.5"))
    assert "7 1.5\n" in glaunch("run", path, "--source-dir", path.parent, PIP_NO_INDEX="1").stdout
    alone = glaunch("run", path, status=1)
    assert "No module named 'helpers'" in alone.stdout
    assert "--source-dir" in glaunch("explain").stdout


def test_the_artifacts_have_the_same_bytes_twice(glaunch, script):
    path = script(SAVES + '        open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "x"), "w").close()\n')
    glaunch("run", path)
    first = the_run(glaunch)
    glaunch("run", path)
    second = the_run(glaunch)
    for artifact in ("model", "output"):
        assert first[artifact] != second[artifact]
        assert Path(first[artifact]).read_bytes() == Path(second[artifact]).read_bytes()
    assert members(first["output"]) == ["x"]


def test_the_users_data_is_not_touched_by_a_script_that_tidies_up(glaunch, script, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keep").write_text("1")
    path = script(
        SAVES
        + """
        directory = os.environ["SM_CHANNEL_TRAINING"]
        os.remove(os.path.join(directory, "keep"))
        open(os.path.join(directory, "new"), "w").close()
    """
    )
    glaunch("run", path, "--data", tmp_path / "data")
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["keep"]


def test_a_script_that_exits_3_fails_the_job_and_says_so(glaunch, script):
    done = glaunch("run", script("import sys\nsys.exit(3)\n"), status=1)
    assert "the script exited with status 3" in done.stdout
    assert the_run(glaunch)["hosts"]["algo-1"]["exit_status"] == 3


def test_a_script_killed_by_the_kernel_is_told_from_one_that_failed(glaunch, script):
    done = glaunch("run", script("import os\nif True:\n    os.kill(os.getpid(), 9)\n"), status=1)
    assert "ended by SIGKILL: usually the kernel, when memory ran out" in done.stdout


def test_a_script_that_crashes_in_native_code_names_the_signal(glaunch, script):
    done = glaunch("run", script("import os\nif True:\n    os.abort()\n"), status=1)
    assert "ended by SIGABRT" in done.stdout


def test_the_failure_file_begins_with_the_exception(glaunch, script):
    glaunch("run", script("def train():\n    raise ValueError('no luck')\n"), status=1)
    run = the_run(glaunch)
    lines = (Path(run["folder"]) / "failure").read_text().splitlines()
    assert lines[0] == "ValueError: no luck"
    assert lines[2] == "Traceback (most recent call last):"
    assert run["reason"] == "ValueError: no luck"
    assert run["model"] is None


def test_a_script_that_saves_nothing_fails_the_job(glaunch, script):
    assert "saved no model" in glaunch("run", script("if True:\n    print('done')\n"), status=1).stdout


def test_a_script_that_does_nothing_is_refused(glaunch, script):
    done = glaunch("run", script("def fit():\n    pass\n"), status=1)
    assert "defines no train() and runs nothing" in done.stdout


def test_a_syntax_error_is_named_with_its_line_before_anything_runs(glaunch, script):
    path = script("def train(:\n    pass\n")
    assert f"{path}, line 1" in glaunch("run", path, status=1).stdout


def test_a_job_is_stopped_at_max_run(glaunch, script):
    done = glaunch("run", script("import time\nif True:\n    time.sleep(600)\n"), "--max-run", "0.5", status=1)
    assert "Stopped" in done.stdout
    assert "longer than max_run, 0.5 s" in done.stdout


def test_a_process_that_the_script_leaves_behind_is_gone_with_it(glaunch, script, tmp_path):
    pid = tmp_path / "pid"
    path = script(
        SAVES
        + f"""
        import subprocess
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        with open({str(pid)!r}, "w") as file:
            file.write(str(child.pid))
    """
    )
    glaunch("run", path)
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_a_script_that_prints_without_end_fills_neither_disk_nor_memory(glaunch, script):
    path = script("""
        import os
        import sys

        if __name__ == "__main__":
            for _ in range(200):
                sys.stdout.write("x" * 999 * 1000 + "\\n" * 1000)
            print("the end", flush=True)
            raise ValueError("after it all")
    """)
    name = glaunch("run", path, "--detach").stdout.strip()
    last = glaunch("logs", "-f", name).stdout[-1000:]
    run = the_run(glaunch)
    log = Path(run["hosts"]["algo-1"]["log"])
    assert log.stat().st_size < 60 * 2**20
    assert run["reason"] == "ValueError: after it all"
    assert "after it all" in last
    assert "bytes of output are left out here" in log.read_bytes()[50 * 2**20 :].decode()


def test_runs_started_in_the_same_second_do_not_meet(glaunch, script, home):
    path = script(SAVES)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: glaunch("run", path), range(4)))
    states = [run["state"] for run in json.loads(glaunch("ls", "--json").stdout)]
    assert states == ["Completed"] * 4


def test_a_run_folder_that_cannot_be_written_is_named(glaunch, script, tmp_path):
    (tmp_path / "file").write_text("")
    done = glaunch("run", script(SAVES), status=1, GLAUNCH_HOME=str(tmp_path / "file" / "home"))
    assert "cannot write the run folder" in done.stderr
    assert "GLAUNCH_HOME" in done.stderr


def test_a_run_of_a_newer_glaunch_is_listed_and_refused(glaunch, script, home):
    glaunch("run", script(SAVES))
    status = next((home / "runs").glob("*/status.json"))
    status.write_text(json.dumps({**json.loads(status.read_text()), "format": 99}))
    assert "made by a newer glaunch" in glaunch("show", status=2).stderr
    assert "made by a newer glaunch" in glaunch("ls").stdout
    assert "newer" in json.loads(glaunch("ls", "--json").stdout)[0]["error"]


def test_a_full_disk_fails_the_job_with_that_reason(script, tmp_path, home):
    """In a mount namespace of its own, on a file system of 1 MiB that is gone with it."""
    namespace = ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine forbids mount namespaces: a full disk cannot be tried")
    path = script("""
        import os

        if __name__ == "__main__":
            with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "wb") as file:
                file.write(os.urandom(700000))
    """)
    home.mkdir()
    commands = f"""
        mount -t tmpfs -o size=1m none {home} || exit 77
        {sys.executable} -m launcher run {path}
        echo "status $?"
        {sys.executable} -m launcher ls
        find {home} -name 'model.tar.gz' -o -name '.*'
    """
    done = subprocess.run([*namespace, "sh", "-c", commands], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 77:
        pytest.skip("this machine forbids mounts in a namespace: a full disk cannot be tried")
    assert "No space left on device" in done.stdout
    assert "status 1" in done.stdout
    assert done.stdout.count("Failed") == 2  # by `run` and by `ls`
    assert "model.tar.gz" not in done.stdout
