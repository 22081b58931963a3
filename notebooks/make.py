"""Makes the notebooks of their sources: NAME.ipynb, executed, of NAME.py in jupytext's percent format.

python notebooks/make.py [NAME ...]
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
DEADLINE = 600  # seconds a cell; much more than one takes on the samples
_AT_ONCE = 2
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SETUP = """
%config InlineBackend.print_figure_kwargs = {"dpi": 70, "bbox_inches": "tight"}
"""


def sources() -> list[Path]:
    """The percent-format files, in the order in which they are read."""
    return sorted(HERE.glob("[0-9]*.py"))


def read(source: Path) -> Any:
    """The notebook of a source, not executed; its cells are numbered, so that the same source gives the same file."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata = {}
    notebook.metadata = _metadata()
    return notebook


def execute(notebook: Any, home: Path, deadline: int = DEADLINE) -> None:
    """Runs all cells in a kernel of their own, in the directory of the notebooks, and keeps what they show.

    Args:
        notebook: its outputs are replaced.
        home: GLAUNCH_HOME of the kernel.
        deadline: seconds a cell.

    Raises:
        CellExecutionError: a cell raised.
    """
    environment = {**os.environ, "GLAUNCH_HOME": str(home), "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    # What `!glaunch` finds is beside this Python, as in an activated environment.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_SETUP))
    client = NotebookClient(
        notebook,
        timeout=deadline,
        kernel_name="python3",
        resources={"metadata": {"path": HERE}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # it would warn that 127.0.0.1 is not encrypted
    )
    with tempfile.TemporaryDirectory(prefix="lab-") as scratch:  # what a lab writes goes with it
        client.execute(env={**environment, "TMPDIR": scratch})
    del notebook.cells[0]
    notebook.metadata = _metadata()  # the kernel has added its version
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
        cell.metadata = {}
        cell.outputs = _joined([_clean(output, number, home) for output in cell.outputs])


def _metadata() -> dict[str, dict[str, str]]:
    return {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def _clean(output: Any, number: int, home: Path) -> Any:
    """An output without what depends on the machine that made it."""
    if "execution_count" in output:
        output.execution_count = number
    if "text" in output:
        output.text = _without_places(output.text, home)
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _without_places(content, home)
    output.get("metadata", {}).clear()
    return output


def _joined(outputs: list[Any]) -> list[Any]:
    """What was printed in one go is one output, however it came."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _without_places(text: str, home: Path) -> str:
    text = text.replace(str(home), "~/.local/share/glaunch").replace(str(HERE.parent), "..")
    text = _COLOUR.sub("", text.replace(str(Path.home()), "~"))
    return re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:8080", text)


def make(source: Path) -> str:
    """Writes the notebook of a source beside it; a line that says how long it took."""
    notebook, started = read(source), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="glaunch-notebook-") as home:
        execute(notebook, Path(home))
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    return f"{source.stem}: {time.monotonic() - started:.0f} s"


def main(names: list[str]) -> None:
    """Makes those, or all."""
    wanted = [source for source in sources() if not names or source.stem in names]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for line in pool.map(make, wanted):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
