"""What of a directory travels."""

from __future__ import annotations

import pytest

from launcher import source
from launcher.errors import UserError
from launcher.ignore import travelling
from launcher.job import TrainingJob

NAMES = [
    "train.py",
    "notes.txt",
    "data/a.csv",
    "data/keep.csv",
    "data/deep/b.csv",
    "src/data/c.csv",
    "src/net.py",
    "ä.py",
]


@pytest.fixture
def tree(tmp_path):
    """`tree(patterns)`: the files that travel of a small directory with these lines in its ignore file."""

    def make(*patterns):
        for name in NAMES:
            (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "src" / name).touch()
        if patterns:
            (tmp_path / "src" / ".glaunchignore").write_text("\n".join(patterns), "utf-8")
        return {str(path) for path in travelling(tmp_path / "src") if (tmp_path / "src" / path).is_file()}

    return make


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        ([], set()),
        (["# a comment", "", "notes.txt"], {"notes.txt"}),
        (["*.csv"], {"data/a.csv", "data/keep.csv", "data/deep/b.csv", "src/data/c.csv"}),
        (["data"], {"data/a.csv", "data/keep.csv", "data/deep/b.csv", "src/data/c.csv"}),
        (["/data/"], {"data/a.csv", "data/keep.csv", "data/deep/b.csv"}),
        (["notes.txt/"], set()),
        (["data/*", "!data/keep.csv"], {"data/a.csv", "data/deep/b.csv"}),
        (["/data/", "!data/keep.csv"], {"data/a.csv", "data/keep.csv", "data/deep/b.csv"}),
        (["**/deep"], {"data/deep/b.csv"}),
        (["ä.*"], {"ä.py"}),
    ],
)
def test_the_patterns_are_those_of_git(tree, patterns, left_out):
    assert tree(*patterns) == set(NAMES) - left_out


def test_a_directory_comes_before_what_is_in_it_and_all_is_in_order(tree, tmp_path):
    tree()
    found = [str(path) for path in travelling(tmp_path / "src")]
    assert found == ["data", "data/a.csv", "data/deep", "data/deep/b.csv", "data/keep.csv", "notes.txt", "src",
                     "src/data", "src/data/c.csv", "src/net.py", "train.py", "ä.py"]  # fmt: skip


def test_a_local_run_leaves_out_the_same(tree, tmp_path):
    tree("*.csv", "notes.txt")
    (tmp_path / "src" / "train.py").write_text("print(1)\n")
    source.stage(TrainingJob(tmp_path / "src" / "train.py", tmp_path / "src"), tmp_path / "code")
    assert sorted(path.name for path in (tmp_path / "code").rglob("*") if path.is_file()) == [
        "net.py",
        "train.py",
        "ä.py",
    ]


def test_an_ignore_file_that_names_the_script_is_refused(tree, tmp_path):
    tree("*.py")
    (tmp_path / "src" / "train.py").write_text("print(1)\n")
    with pytest.raises(UserError, match=r"\.glaunchignore leaves out the script train\.py"):
        source.stage(TrainingJob(tmp_path / "src" / "train.py", tmp_path / "src"), tmp_path / "code")


@pytest.mark.parametrize("content", [b"!\n", b"caf\xe9\n"])
def test_an_ignore_file_that_is_none_is_named(tree, tmp_path, content):
    tree("x")
    (tmp_path / "src" / ".glaunchignore").write_bytes(content)
    with pytest.raises(UserError, match=r"src/\.glaunchignore: "):
        travelling(tmp_path / "src")


def test_a_link_back_is_named_instead_of_being_followed_for_ever(tree, tmp_path):
    tree()
    (tmp_path / "src" / "data" / "up").symlink_to(tmp_path / "src")
    with pytest.raises(UserError, match="data/up leads back"):
        travelling(tmp_path / "src")
