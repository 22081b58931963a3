"""What kind of script a file is, and the code that travels to the hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import source
from launcher.errors import UserError
from launcher.job import TrainingJob
from launcher.source import OLDER, OWN_MAIN

TRAIN = "def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):\n    return hyperparameters\n"
GUARD = "if __name__ == '__main__':\n    print(1)\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TRAIN, OLDER),
        ("import logging\nlogging.basicConfig()\nSEED = 3\n" + TRAIN, OLDER),
        ("try:\n    import mxnet\nexcept ImportError:\n    mxnet = None\n" + TRAIN, OLDER),
        (TRAIN + "if __name__ == 'train':\n    print(1)\n", OLDER),
        (TRAIN + "MODE = 'x'\nif MODE == '__main__':\n    print(1)\n", OLDER),
        (GUARD, OWN_MAIN),
        ('if "__main__" == __name__:\n    print(1)\n', OWN_MAIN),
        ("import sys\nif __name__ == '__main__' and not sys.flags.interactive:\n    print(1)\n", OWN_MAIN),
        (TRAIN + GUARD, OWN_MAIN),
        (TRAIN + "train({}, {}, [], 0)\n", OWN_MAIN),
        (TRAIN + "net = train({}, {}, [], 0)\n", OWN_MAIN),
        (TRAIN + "def main():\n    train({}, {}, [], 0)\n\nmain()\n", OWN_MAIN),
        ("import os\nprint(os.getcwd())\n", OWN_MAIN),
        ("for number in range(3):\n    pass\n", OWN_MAIN),
        ("with open('a') as file:\n    pass\n", OWN_MAIN),
        ("import sys\ntry:\n    print(1)\nexcept OSError:\n    sys.exit(1)\n", OWN_MAIN),
        ("if True:\n    print(1)\n", OWN_MAIN),
        ("import helper\nraise SystemExit(helper.run())\n", OWN_MAIN),
        ("def train_it():\n    pass\n\ntrain_it()\n", OWN_MAIN),
        ("class Train:\n    def train(self):\n        pass\n\nTrain().train()\n", OWN_MAIN),
    ],
)
def test_the_kind_of_a_script_is_seen_from_its_text(script, text, kind):
    assert source.kind(script(text)) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        '"""A docstring."""\n\nimport os\n\nWIDTH = 3\n',
        "def train_model():\n    print(1)\n\nclass Net:\n    pass\n",
        "if True:\n    import os\nelse:\n    os = None\n",
    ],
)
def test_a_file_that_would_do_nothing_is_refused(script, text):
    path = script(text)
    with pytest.raises(UserError, match=re.escape(f"{path} defines no train() and runs nothing")):
        source.kind(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"import os\n\ndef train(:\n    pass\n", ", line 3: "),
        (b"def train():\nreturn 3\n", ", line 2: expected an indented block"),
        (b"print('a')\nprint(1\n", ", line 2: "),
        (b"print 'Python 2'\n", ", line 1: "),
        (b"import os\n\n# caf\xe9\nprint(1)\n", ": 'utf-8' codec can't decode byte 0xe9"),
        (b"# -*- coding: no-such-code -*-\nprint(1)\n", ": unknown encoding"),
        (b"print(1)\n\0\n", ": "),
        (b"\x89PNG\r\n\x1a\n", ": "),
    ],
)
def test_a_file_that_is_no_python_is_refused_with_its_place(tmp_path, content, message):
    path = tmp_path / "train.py"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{re.escape(f'{path}{message}')}"):
        source.kind(path)


def test_a_script_in_the_encoding_that_it_declares_is_read(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(b"# coding: latin-1\nprint('caf\xe9')\n")
    assert source.kind(path) == OWN_MAIN


def test_a_missing_script_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the script .*No such file"):
        source.kind(tmp_path / "train.py")


def tree(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_a_script_without_a_source_directory_travels_alone(script, tmp_path):
    path = script(GUARD)
    (path.parent / "helper.py").touch()
    assert source.stage(TrainingJob(path), tmp_path / "code") == "script.py"
    assert tree(tmp_path / "code") == ["script.py"]


@pytest.fixture
def project(tmp_path):
    """A source directory with helpers, a nested script and what need not travel."""
    content = {
        "train.py": "import helper\n" + GUARD,
        "helper.py": "VALUE = 3\n",
        "jobs/nested.py": "from layers import net\n" + GUARD,
        "requirements.txt": "",
        "data/words.txt": "a b",
        ".git/config": "",
        ".venv/bin/python": "",
        "__pycache__/helper.cpython-311.pyc": "",
        "layers/__pycache__/net.pyc": "",
        "layers/net.py": "",
        ".ipynb_checkpoints/train.py": "",
    }
    for name, text in content.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(text)
    return tmp_path / "src"


TRAVELS = ["data/words.txt", "helper.py", "jobs/nested.py", "layers/net.py", "requirements.txt", "train.py"]


def test_the_directory_may_be_there_already_and_its_parents_need_not(script, project, tmp_path):
    for number, job in enumerate([TrainingJob(script(GUARD)), TrainingJob(project / "train.py", project)]):
        (tmp_path / f"there-{number}").mkdir()
        for directory in (tmp_path / f"there-{number}", tmp_path / f"host-{number}" / "code"):
            assert (directory / source.stage(job, directory)).is_file()


@pytest.mark.parametrize("program", ["train.py", "jobs/nested.py"])
def test_a_source_directory_travels_whole_but_for_litter(project, tmp_path, program):
    assert source.stage(TrainingJob(project / program, project), tmp_path / "host" / "code") == program
    assert tree(tmp_path / "host" / "code") == TRAVELS


def test_what_travels_is_a_copy(project, tmp_path):
    (tmp_path / "shared.py").write_text("1")
    (project / "linked.py").symlink_to(tmp_path / "shared.py")
    source.stage(TrainingJob(project / "train.py", project), tmp_path / "code")
    assert not (tmp_path / "code" / "linked.py").is_symlink()
    (tmp_path / "code" / "linked.py").write_text("2")
    (tmp_path / "code" / "helper.py").write_text("VALUE = 4\n")
    assert (tmp_path / "shared.py").read_text() == "1"
    assert (project / "helper.py").read_text() == "VALUE = 3\n"


def test_a_dangling_link_like_an_editors_lock_is_left_behind(project, tmp_path):
    (project / ".#train.py").symlink_to("user@machine.1234:5678")
    source.stage(TrainingJob(project / "train.py", project), tmp_path / "code")
    assert tree(tmp_path / "code") == TRAVELS


def test_what_cannot_be_copied_is_named(project, tmp_path):
    os.mkfifo(project / "pipe")
    with pytest.raises(UserError, match=r"cannot copy .*src/pipe: .*named pipe"):
        source.stage(TrainingJob(project / "train.py", project), tmp_path / "code")


def test_runs_kept_inside_the_source_directory_are_not_copied_into_themselves(project, monkeypatch):
    monkeypatch.setenv("GLAUNCH_HOME", str(project / "jobs"))
    code = project / "jobs" / "runs" / "a-run" / "hosts" / "algo-1" / "code"
    source.stage(TrainingJob(project / "train.py", project), code)
    assert tree(code) == TRAVELS


def test_gluon_job_travels_with_what_uses_it_and_only_then(script, project, tmp_path):
    source.stage(TrainingJob(script("from gluon_job import contract\n" + GUARD)), tmp_path / "a")
    assert {"script.py", "gluon_job/__init__.py", "gluon_job/contract.py"} <= set(tree(tmp_path / "a"))
    assert not [name for name in tree(tmp_path / "a") if "__pycache__" in name]

    source.stage(TrainingJob(project / "train.py", project), tmp_path / "b")
    assert not (tmp_path / "b" / "gluon_job").exists()
    (project / "layers" / "net.py").write_text("import gluon_job.fit\n")
    source.stage(TrainingJob(project / "train.py", project), tmp_path / "c")
    assert (tmp_path / "c" / "gluon_job" / "fit.py").exists()


def test_a_gluon_job_of_the_users_own_is_kept(project, tmp_path):
    (project / "gluon_job").mkdir()
    (project / "gluon_job" / "contract.py").write_text("# mine\n")
    source.stage(TrainingJob(project / "train.py", project), tmp_path / "code")
    assert tree(tmp_path / "code" / "gluon_job") == ["contract.py"]


CALLED = """
import json, os
from {helper} import SUFFIX

def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    return dict(hyperparameters, hosts=hosts, channels=channel_input_dirs, host=kwargs["current_host"])

def save(net, model_dir):
    with open(os.path.join(model_dir, "net" + SUFFIX), "w") as file:
        json.dump(net, file)
"""


@pytest.mark.parametrize(
    ("program", "helper"),
    [
        ("train.py", "helper"),
        ("jobs/train.py", "beside"),
        ("my-script.py", "helper"),
        ("train.v2.py", "helper"),
        ("random.py", "helper"),  # also a module of Python's, imported already
    ],
)
def test_a_script_of_the_older_kind_is_called_as_its_container_did(tmp_path, program, helper):
    src = tmp_path / "src"
    (src / "jobs").mkdir(parents=True)
    (src / program).write_text(CALLED.format(helper=helper))
    (src / "helper.py").write_text("SUFFIX = '.json'\n")
    (src / "jobs" / "beside.py").write_text("SUFFIX = '.json'\n")
    main = source.stage(TrainingJob(src / program, src), tmp_path / "code")

    done = run_main(tmp_path, main)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "model" / "net.json").read_text()) == {
        "epochs": 3,
        "hidden": [16, 16],
        "hosts": ["algo-1", "algo-2"],
        "channels": {"training": "/data"},
        "host": "algo-1",
    }


def run_main(base: Path, main: str, host: str = "algo-1") -> subprocess.CompletedProcess[str]:
    """Runs a staged program as a container would, with `base` for /opt/ml."""
    variables = {
        "SM_MODEL_DIR": str(base / "model"),
        "SM_OUTPUT_DIR": str(base / "output"),
        "SM_HPS": '{"epochs": 3, "hidden": [16, 16]}',
        "SM_HOSTS": '["algo-1", "algo-2"]',
        "SM_CURRENT_HOST": host,
        "SM_CHANNELS": '["training"]',
        "SM_CHANNEL_TRAINING": "/data",
    }
    return subprocess.run(
        [sys.executable, main, "--epochs", "3"],
        cwd=base / "code",
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_only_the_first_host_saves_and_a_failure_has_the_scripts_own_line(script, tmp_path):
    path = script(CALLED.replace("from {helper} import SUFFIX", "SUFFIX = ''"))
    main = source.stage(TrainingJob(path), tmp_path / "code")
    assert run_main(tmp_path, main, host="algo-2").returncode == 0
    assert not (tmp_path / "model").exists()

    (tmp_path / "code" / "script.py").write_text("def train(**kwargs):\n    raise KeyError('training')\n")
    done = run_main(tmp_path, main)
    assert done.returncode == 1
    assert f'File "{tmp_path}/code/script.py", line 2, in train' in done.stderr
    assert (tmp_path / "output" / "failure").read_text().startswith("KeyError: 'training'\n")
