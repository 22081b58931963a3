"""What AWS's image offers to scripts beside mxnet: numpy's old names, and the helpers of its MXNet container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "launcher" / "local" / "image"
SAME_AS_BUILTINS = """
import builtins, numpy
old = {"long": int, "unicode": str}
for name in "bool complex float int long object str unicode".split():
    assert getattr(numpy, name) is old.get(name, getattr(builtins, name, None)), name
assert numpy.zeros(2, numpy.bool).dtype == bool
"""


def _python(
    code: str, *paths: Path, python: str = sys.executable, flags: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**inherited, "PYTHONPATH": os.pathsep.join(map(str, (IMAGE, *paths))), **variables}
    return subprocess.run(
        [python, *flags, "-c", code], env=environment, text=True, capture_output=True, timeout=120, check=False
    )


def _run(code: str, *paths: Path, python: str = sys.executable, flags: tuple[str, ...] = (), **variables: str) -> str:
    done = _python(code, *paths, python=python, flags=flags, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_numpy_has_its_old_names_again_and_warns_of_none() -> None:
    _run(SAME_AS_BUILTINS, flags=("-W", "error"))


def test_numpy_of_aws_image_has_its_names_without_warnings(aws_python: str) -> None:
    _run(SAME_AS_BUILTINS, python=aws_python, flags=("-W", "error"))


def test_names_that_numpy_has_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("class bool: 'that of numpy 2'\n")
    assert _run("import numpy; print(numpy.bool.__doc__, numpy.float)", tmp_path) == (
        "that of numpy 2 <class 'float'>\n"
    )


def test_the_names_survive_a_reload_and_the_loader_is_numpys_own() -> None:
    code = f"""
import importlib, warnings, numpy
del numpy.bool
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # numpy's own, of being reloaded
    importlib.reload(numpy)
{SAME_AS_BUILTINS}
assert type(numpy.__spec__.loader).__name__ == "SourceFileLoader"
assert importlib.util.find_spec("numpy.linalg").name == "numpy.linalg"
import importlib.resources
assert importlib.resources.files("numpy").joinpath("__init__.py").is_file()
"""
    _run("import importlib.util\n" + code)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_have_the_names_too(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "def work(_):\n    import numpy\n    return numpy.float is float\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool: print(pool.map(work, [0]))\n"
    )
    assert _run(f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}], check=True)") == "[True]\n"


def test_a_missing_numpy_is_still_an_import_error() -> None:
    done = _python("import sitecustomize, numpy", flags=("-S",))
    assert done.stderr.strip().endswith("ModuleNotFoundError: No module named 'numpy'")


def test_a_script_that_never_imports_numpy_loads_nothing_for_it() -> None:
    listing = "import sys; print(*sorted(sys.modules))"
    plain = set(_run(listing, PYTHONPATH="").split())
    assert set(_run(listing).split()) - plain <= {"sitecustomize"}


def test_a_sitecustomize_that_is_shadowed_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.ran = __file__\nanswer = 42\n")
    code = "import numpy, sitecustomize; print(ran, sitecustomize.answer, numpy.bool)"
    assert _run(code, tmp_path) == f"{tmp_path}/sitecustomize.py 42 <class 'bool'>\n"


def test_a_second_name_of_the_image_on_the_path_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(IMAGE)
    done = _python("import numpy; print(numpy.bool)", tmp_path / "link")
    assert (done.stdout, done.stderr) == ("<class 'bool'>\n", "")


def test_a_shadowed_sitecustomize_that_fails_stops_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("1 / 0\n")
    done = _python("import numpy; print(numpy.bool)", tmp_path)
    assert done.stdout == "<class 'bool'>\n"
    assert "ZeroDivisionError" in done.stderr


SAVE = """
import json
import mxnet as mx
from sagemaker_mxnet_container.training_utils import save

net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="dense")
net = mx.sym.SoftmaxOutput(net, mx.sym.var("softmax_label"), name="softmax")
module = mx.mod.Module(net)
module.bind(data_shapes=[("data", (5, 4))], label_shapes=[("softmax_label", (5,))])
module.init_params(mx.init.Constant(0.5))
save(directory, module)

symbol, parameters = mx.sym.load(directory + "/model-symbol.json"), mx.nd.load(directory + "/model-0000.params")
print(json.dumps([symbol.list_arguments(), {k: v.asnumpy().tolist() for k, v in sorted(parameters.items())}]))
"""


def test_save_writes_the_symbol_the_parameters_and_the_shapes_of_a_module(tmp_path: Path) -> None:
    # A plain `import mxnet` is part of this: on numpy >= 1.24 it needs the old names.
    output = _run(f"directory = {str(tmp_path)!r}\n{SAVE}", SM_CURRENT_HOST="algo-1", SM_HOSTS='["algo-1", "algo-2"]')
    arguments, parameters = json.loads(output.splitlines()[-1])
    assert arguments == ["data", "dense_weight", "dense_bias", "softmax_label"]
    assert parameters == {"arg:dense_bias": [0.0] * 3, "arg:dense_weight": [[0.5] * 4] * 3}
    assert json.loads((tmp_path / "model-shapes.json").read_text()) == [{"name": "data", "shape": [5, 4]}]
    assert sorted(path.name for path in tmp_path.glob("model-*")) == [
        "model-0000.params",
        "model-shapes.json",
        "model-symbol.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (", 'algo-2', ['algo-1', 'algo-2']", {}),
        ("", {"SM_CURRENT_HOST": "algo-2", "SM_HOSTS": '["algo-1", "algo-2"]'}),
    ],
    ids=["arguments", "variables"],
)
def test_save_does_nothing_on_other_hosts_than_the_schedulers(
    tmp_path: Path, arguments: str, variables: dict[str, str]
) -> None:
    _run(
        "import sagemaker_mxnet_container as container\n"
        "assert container.training_utils.scheduler_host(['algo-1', 'algo-2']) == 'algo-1'\n"
        f"container.training_utils.save({str(tmp_path)!r}, None{arguments})",
        **variables,
    )
    assert list(tmp_path.glob("model-*")) == []
