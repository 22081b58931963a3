"""The package is the code of a local run, in the same bytes for the same content."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import pytest

from launcher import source
from launcher.cloud import package
from launcher.errors import UserError
from launcher.job import TrainingJob

GUARD = "if __name__ == '__main__':\n    print(1)\n"
OLDER = "def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):\n    return 1\n"


def project(directory, **changed):
    content = {"train.py": GUARD, "layers/net.py": "WIDTH = 3\n", "run.sh": "#!/bin/sh\n", **changed}
    for name, text in content.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    (directory / "run.sh").chmod(0o755)
    return TrainingJob(directory / "train.py", directory)


def pack(job, directory):
    directory.mkdir()
    return package.pack(job, directory)


def members(path):
    with tarfile.open(path) as packed:
        return {member.name: member.mode for member in packed}


def test_the_same_content_gives_the_same_bytes_wherever_it_is_and_whoever_has_it(tmp_path):
    first = pack(project(tmp_path / "a"), tmp_path / "1")
    job = project(tmp_path / "elsewhere" / "b")
    for number, path in enumerate(job.source_dir.rglob("*")):
        os.utime(path, (number, number))
        path.chmod(0o700 if path.is_dir() or path.name == "run.sh" else 0o600)
    code = (
        "import os, sys; os.umask(0o077); from pathlib import Path; from launcher.cloud import package;"
        "from launcher.job import TrainingJob; there = Path(sys.argv[1]);"
        "print(package.pack(TrainingJob(there / 'train.py', there), Path(sys.argv[2])).digest, 'boto3' in sys.modules)"
    )
    (tmp_path / "2").mkdir()
    words = [sys.executable, "-c", code, str(job.source_dir), str(tmp_path / "2")]
    environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "3"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [first.digest, "False"]
    assert (tmp_path / "2" / "sourcedir.tar.gz").read_bytes() == first.path.read_bytes()
    assert first.path.read_bytes()[3:9] == b"\0\0\0\0\0\0"  # of gzip's header: no name, no time, no level


def test_a_program_can_be_executed_on_the_host_too(tmp_path):
    packed = pack(project(tmp_path / "a"), tmp_path / "1")
    assert members(packed.path) == {"layers": 0o755, "layers/net.py": 0o644, "run.sh": 0o755, "train.py": 0o644}


def rename(job):
    (job.source_dir / "layers" / "net.py").rename(job.source_dir / "layers" / "nets.py")


@pytest.mark.parametrize(
    "change",
    [
        lambda job: (job.source_dir / "layers" / "net.py").write_text("WIDTH = 4\n"),
        lambda job: (job.source_dir / "run.sh").chmod(0o644),
        lambda job: (job.source_dir / "empty").mkdir(),
        rename,
    ],
    ids=["content", "mode", "directory", "name"],
)
def test_what_differs_has_another_key(tmp_path, change):
    job = project(tmp_path / "a")
    before = pack(job, tmp_path / "1")
    change(job)
    after = pack(job, tmp_path / "2")
    assert before.key == f"code/{before.digest}/sourcedir.tar.gz"
    assert after.key != before.key


def test_what_is_left_out_does_not_change_the_key(tmp_path):
    job = project(tmp_path / "a", **{".glaunchignore": "*.log\n"})
    before = pack(job, tmp_path / "1")
    (job.source_dir / "train.log").write_text("lines")
    (job.source_dir / "__pycache__").mkdir()
    (job.source_dir / "__pycache__" / "net.pyc").write_text("compiled")
    assert pack(job, tmp_path / "2").digest == before.digest


@pytest.mark.parametrize("text", [GUARD, OLDER, "from gluon_job import contract\n" + GUARD])
def test_the_package_holds_what_a_local_host_has(script, tmp_path, text):
    job = TrainingJob(script(text))
    packed = pack(job, tmp_path / "1")
    program = source.stage(job, tmp_path / "code")
    assert packed.program == program
    with tarfile.open(packed.path) as found:
        assert {m.name: found.extractfile(m).read() for m in found if m.isfile()} == {
            str(path.relative_to(tmp_path / "code")): path.read_bytes()
            for path in (tmp_path / "code").rglob("*")
            if path.is_file()
        }
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["sourcedir.tar.gz"]


def test_a_script_of_the_older_kind_gets_its_main_and_what_that_needs(script, tmp_path):
    packed = pack(TrainingJob(script(OLDER)), tmp_path / "1")
    assert packed.program == "glaunch_main.py"
    assert {"glaunch_main.py", "script.py", "gluon_job/contract.py"} <= members(packed.path).keys()


def test_a_package_that_is_too_large_is_refused_before_anything_is_copied(tmp_path, monkeypatch):
    job = project(tmp_path / "a")
    (job.source_dir / "data").mkdir()
    for name in ("images", "labels"):
        with (job.source_dir / "data" / name).open("wb") as file:
            file.truncate(300 * 2**20)  # holes: no byte is on the disk
    monkeypatch.setattr(source, "stage", lambda *_: pytest.fail("it was copied"))
    with pytest.raises(UserError, match=r"a has 600\.0 MiB, and at most 500\.0 MiB .*: data/ 600\.0 MiB, .*a channel"):
        pack(job, tmp_path / "1")
    assert list((tmp_path / "1").iterdir()) == []


def test_what_the_ignore_file_names_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "LIMIT", 1000)
    job = project(tmp_path / "a", **{"data/big": "x" * 2000})
    with pytest.raises(UserError, match="data/"):
        pack(job, tmp_path / "1")
    (job.source_dir / ".glaunchignore").write_text("/data/\n")
    assert "data" not in members(pack(job, tmp_path / "2").path)


def test_awss_toolkit_unpacks_it_and_its_python_calls_train_and_save(aws_python, tmp_path):
    text = OLDER.replace("return 1", "return hyperparameters") + (
        "def save(net, model_dir):\n    from layers.net import WIDTH\n    print('saved', model_dir, net, WIDTH)\n"
    )
    packed = pack(project(tmp_path / "a", **{"train.py": text}), tmp_path / "1")
    unpack = "import sys; from sagemaker_training import files; files.download_and_extract(*sys.argv[1:])"
    code = tmp_path / "code"
    subprocess.run([aws_python, "-c", unpack, str(packed.path), str(code)], check=True, timeout=60)
    variables = {
        "SM_MODEL_DIR": str(tmp_path / "model"),
        "SM_OUTPUT_DIR": str(tmp_path / "output"),
        "SM_HPS": '{"epochs": 3}',
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_CHANNELS": "[]",
    }
    words = [aws_python, packed.program, "--epochs", "3"]  # as script mode does
    environment = {**os.environ, **variables}
    done = subprocess.run(words, cwd=code, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"saved {tmp_path / 'model'} {{'epochs': 3}} 3" in done.stdout
    assert os.access(code / "run.sh", os.X_OK)
