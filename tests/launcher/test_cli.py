"""The command line as a user types it, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QUICK = """
    import os

    def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
        print(f"[Epoch 0] Validation: accuracy={hyperparameters.get('accuracy', 0.5)}")
        print(sorted(hyperparameters.items()))

    def save(net, model_dir):
        open(os.path.join(model_dir, "weights"), "w").close()
"""
SLOW = """
    import time

    if __name__ == "__main__":
        print("begun", flush=True)
        time.sleep(600)
"""
AWS_VERBS = [
    "upload",
    "sweep",
    "update",
    "infra up",
    "infra show",
    "infra down",
    "infra policy",
    "config ls",
    "config get",
    "config set",
]
VERBS = [
    "run",
    "plan",
    "tune",
    "tunings",
    "transform",
    "ls",
    "show",
    "logs",
    "stop",
    "explain",
    "report",
    "rm",
    "fetch",
    "doctor",
    "completion",
    "data ls",
    "data get",
]


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom launcher.cli import cli\ntry:\n cli(['--help'])\nexcept SystemExit:\n pass\n"
        "print([m for m in ('mxnet', 'boto3', 'sagemaker', 'pandas', 'numpy', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_local_run_imports_neither_mxnet_nor_the_cloud(script):
    code = (
        "import sys\nfrom launcher.cli import cli\n"
        f"status = cli(['run', {str(script(QUICK))!r}], standalone_mode=False)\n"
        "assert status == 0\n"
        "print([m for m in ('mxnet', 'boto3', 'sagemaker', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS + AWS_VERBS)
def test_every_verb_has_help_with_an_example(glaunch, verb):
    assert f"glaunch {verb}" in glaunch(*verb.split(), "--help").stdout.partition("Options:")[0].partition("\n")[2]


def test_a_run_is_listed_shown_logged_and_deleted(glaunch, script, home):
    out = glaunch("run", script(QUICK), "-p", "accuracy=0.75", "--name", "first").stdout
    assert "Completed first-" in out
    assert "validation accuracy 0.7500" in out
    listed = json.loads(glaunch("ls", "--json").stdout)
    assert [run["state"] for run in listed] == ["Completed"]
    shown = json.loads(glaunch("show", "first", "--json").stdout)
    assert shown["metrics"] == {"validation:accuracy": 0.75}
    assert Path(shown["model"]).is_file()
    assert shown["job"]["hyperparameters"] == {"accuracy": 0.75}
    assert "accuracy=0.75" in glaunch("logs").stdout
    assert json.loads(glaunch("logs", "--json").stdout.splitlines()[0])["host"] == "algo-1"
    assert "first-" in glaunch("ls").stdout
    assert "validation:accuracy" in glaunch("show").stdout
    glaunch("rm", "first")
    assert list((home / "runs").iterdir()) == []
    assert "no runs yet" in glaunch("ls").stdout


def test_the_json_of_a_run_is_the_only_thing_on_standard_output(glaunch, script):
    done = glaunch("run", script(QUICK), "--json")
    assert json.loads(done.stdout)["state"] == "Completed"
    assert "[Epoch 0]" in done.stderr


def test_hyperparameters_are_typed_as_json(glaunch, script):
    words = ["a=1", "b=1.5", "c=true", "d=null", "e=[1, 2]", 'f={"g": "h"}', "i=text", 'j="2"']
    out = glaunch("run", script(QUICK), *(word for p in words for word in ("-p", p))).stdout
    expected = [
        ("a", 1),
        ("b", 1.5),
        ("c", True),
        ("d", None),
        ("e", [1, 2]),
        ("f", {"g": "h"}),
        ("i", "text"),
        ("j", "2"),
    ]
    assert repr(expected) in out


def test_a_job_file_repeats_a_run(glaunch, script, home):
    glaunch("run", script(QUICK), "-p", "accuracy=0.25", "--name", "original")
    job = next((home / "runs").glob("original-*/job.yaml"))
    assert "validation accuracy 0.2500" in glaunch("run", job).stdout


def test_a_detached_run_goes_on_and_can_be_followed_and_stopped(glaunch, script):
    name = glaunch("run", script(SLOW), "--detach").stdout.strip()
    wait_until(lambda: "begun" in glaunch("logs", name).stdout)
    shown = json.loads(glaunch("show", name, "--json").stdout)
    assert shown["state"] == "InProgress"
    assert "still running" in glaunch("rm", name, status=2).stderr
    glaunch("stop", name)
    assert json.loads(glaunch("show", name, "--json").stdout)["state"] == "Stopped"
    assert processes_of(shown["folder"]) == []


def test_following_a_log_ends_with_the_job(glaunch, script):
    name = glaunch("run", script(QUICK), "--detach").stdout.strip()
    assert "[Epoch 0]" in glaunch("logs", "-f", name).stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_glaunch_itself_is_ended(script, tmp_path, home, ending):
    child = subprocess.Popen(
        [sys.executable, "-m", "launcher", "run", str(script(SLOW))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert child.stdout.readline() == "begun\n"
    folder = next((home / "runs").iterdir())
    assert len(processes_of(folder)) == 1
    child.send_signal(ending)
    out, _ = child.communicate(timeout=30)
    if ending == signal.SIGINT:
        assert child.returncode == 130
        assert "stopping" in out
    wait_until(lambda: json.loads((folder / "status.json").read_text())["state"] == "Stopped")
    wait_until(lambda: processes_of(folder) == [])


def test_a_script_that_ignores_the_stop_is_stopped_at_once_by_a_second_interrupt(script, home):
    stubborn = """
        import signal, time

        if __name__ == "__main__":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("begun", flush=True)
            time.sleep(600)
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "launcher", "run", str(script(stubborn))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert child.stdout.readline() == "begun\n"
    folder = next((home / "runs").iterdir())
    child.send_signal(signal.SIGINT)
    wait_until(lambda: json.loads((folder / "status.json").read_text())["state"] == "Stopping")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 130
    assert processes_of(folder) == []
    assert json.loads((folder / "status.json").read_text())["state"] == "Stopped"


def test_explain_names_the_users_exception_file_and_line(glaunch, script):
    path = script("""
        def helper(values):
            return values["epochs"]

        def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
            return helper(hyperparameters)
    """)
    failed = glaunch("run", path, status=1)
    assert "KeyError: 'epochs'" in failed.stdout
    explained = glaunch("explain").stdout
    assert explained.startswith(f"KeyError: 'epochs'\n  {path}:3, in helper\n    return values[\"epochs\"]\n")
    cause = json.loads(glaunch("explain", "--json").stdout)
    assert cause["frame"] == {"file": str(path), "line": 3, "function": "helper", "code": 'return values["epochs"]'}


def test_explain_of_a_run_that_did_not_fail_says_so(glaunch, script):
    glaunch("run", script(QUICK))
    assert "is Completed" in glaunch("explain").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "mnist_mpl"], "did you mean mnist_mlp?"),
        (["run", "nowhere.py"], "no script"),
        (["run", "nowhere.yaml"], "cannot read the job file"),
        (["run", "mnist_mlp", "-p", "epochs"], "expected name=value"),
        (["run", "mnist_mlp", "-p", "hidden=[16"], "not JSON"),
        (["run", "mnist_mlp", "--data", "nowhere"], "nowhere"),
        (["run", "mnist_mlp", "--channel", "training"], "expected name=directory"),
        (["run", "mnist_mlp", "--name", "a b"], "name 'a b'"),
        (["run", "mnist_mlp", "--max-run", "-1"], "max_run"),
        (["show"], "no runs"),
        (["show", "nothing"], "no runs"),
        (["data", "get", "mnits"], "mnist"),
        (["frobnicate"], "No such command"),
        (["run"], "which job? name a script"),
    ],
)
def test_wrong_use_is_one_clear_message_and_leaves_nothing(glaunch, home, words, message):
    done = glaunch(*words, status=2, CI="")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "runs").exists()


def test_the_completion_of_each_shell_is_printed_and_completes_names(glaunch):
    for shell in ("bash", "zsh", "fish"):
        assert "_GLAUNCH_COMPLETE" in glaunch("completion", shell).stdout
    answer = glaunch(_GLAUNCH_COMPLETE="bash_complete", COMP_WORDS="glaunch run mnist_m", COMP_CWORD="2").stdout
    assert "mnist_mlp" in answer


def test_output_into_a_closed_pipe_is_no_error(glaunch, script):
    glaunch("run", script('for n in range(100000):\n    print(n)\nopen("../model/w", "w").close()\n'))
    done = subprocess.run(
        f"{sys.executable} -m launcher logs | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
    assert done.stderr == ""


def processes_of(folder: Path | str) -> list[str]:
    """The command lines of the processes whose base directory lies in a run folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"SAGEMAKER_BASE_DIR={folder}/".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found
