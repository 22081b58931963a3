"""What the labs come to on all data, beside what was published.

    python benchmarks/labs.py --data DIR [--only 01 02 ...] [--write FILE]

DIR has mnist/, fashion-mnist/ and movielens-100k/. Each notebook is executed as it is, in a kernel of its own, and
asked for its figures at the end.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import nbformat

from launcher import labs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "notebooks"))
import make

DEADLINE = 3600  # seconds a cell


class Figure(NamedTuple):
    """A figure of a lab: `found` in the notebook's names; what was `published`, and `how` its settings differ."""

    what: str
    found: str
    published: str = "-"
    how: str = ""


LENET = "runs['LeNet'].status.metrics['validation:accuracy']"
HOSTS = "[histories[n]['validation:accuracy'][-1] for n in (1, 2, 3)]"
BEST = "the best published, of the first split"
SHIFTED = "[*found[{0!r}][0][:5:4], found[{0!r}][1][2]]".format
CLOTHES = "curves[{!r}]['validation:accuracy'][-1]".format
RATED = "found[{!r}]['validation:rmse'][-1]".format
LABS = {
    "01": [
        Figure("784-16-16-10, Adam, the loop by hand: training", "training_accuracy", "0.96"),
        Figure("the same: test", "test_accuracy", "0.95"),
        Figure("the same as a job: test", "job_accuracy", "0.95"),
    ],
    "02": [
        Figure("one convolution, Adam, 5 epochs: test", "test_accuracy", "0.9854", "batches of 128 there, 32 here"),
        Figure("its best variant", "results[best]['validation:accuracy'][-1]"),
    ],
    "03": [
        Figure("MLP, MNIST: test", "mnist_accuracy", "0.9734", "10 epochs there, 5 here"),
        Figure("MLP, MNIST: the endpoint, first 1,000 of test", "served_accuracy"),
        Figure("MLP, Fashion-MNIST: test", "clothes_accuracy", "0.8853"),
    ],
    "04": [
        Figure("LeNet: test", LENET, "0.9905", "10 epochs there, 6 here"),
        *(
            Figure(f"{name}: in the middle, 4 pixels off, 30 degrees; 500 of test", SHIFTED(name))
            for name in ("MLP", "LeNet", "MLP + augment", "LeNet + augment")
        ),
        Figure("LeNet, Fashion-MNIST, SGD: test", CLOTHES("sgd"), "0.9055", "10 epochs there, 6 here"),
        Figure("LeNet, Fashion-MNIST, Adam: test", CLOTHES("adam"), "0.8862", "10 epochs there, 6 here"),
    ],
    "05": [
        Figure("RMSE of the mean of the film, a tenth held back", "guesses['mean of the film']"),
        *(
            Figure(f"RMSE, {name}", RATED(name))
            for name in ("linear, bare", "linear, regularized", "linear, bayesian", "mlp", "dssm")
        ),
        Figure("RMSE, linear, with content", RATED("linear, with content"), "0.890", BEST),
        Figure("RMSE, residual, deeper", RATED("residual, deeper"), "0.890", BEST),
        Figure("implicit: NDCG@10, recall@10", "[ndcg[-1], measured['validation:recall'][-1]]"),
    ],
    "06": [
        Figure("MLP on 1, 2, 3 hosts: test", HOSTS, "0.9734", "10 epochs there, 8 here"),
        Figure("the largest difference of a probability between them", "difference", "-", "rounding, see facts.md"),
    ],
    "07": [
        Figure("0 to 4, 4,000 pictures of each: test", "first_accuracy"),
        *(
            Figure(f"5 to 9, 20 pictures of each, {name}: test", f"curves[{name!r}]['validation:accuracy'][-1]")
            for name in ("from nothing", "fine-tuned", "frozen")
        ),
    ],
}  # fmt: skip


def main() -> None:
    """Executes the labs and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(LABS), default=list(LABS))
    parser.add_argument("--write", type=Path, help="a file that gets the table too")
    options = parser.parse_args()
    os.environ[labs.VARIABLE] = str(options.data.resolve())
    lines = ["| lab | what | published | ours | |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for number in options.only:
        started = time.monotonic()
        rows = figures(number)
        print("\n".join(rows), flush=True)
        print(f"lab {number} took {time.monotonic() - started:.0f} s", file=sys.stderr)
        lines += rows
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", "utf-8")


def figures(number: str) -> list[str]:
    """The lines of the table of a lab."""
    [source] = [path for path in make.sources() if path.name.startswith(number)]
    notebook = make.read(source)
    asked = ", ".join(figure.found for figure in LABS[number])
    plain = "lambda x: [plain(y) for y in x] if isinstance(x, list) else float(x)"
    notebook.cells.append(nbformat.v4.new_code_cell(f"plain = {plain}\nprint([plain(one) for one in ({asked},)])"))
    with tempfile.TemporaryDirectory(prefix="glaunch-lab-") as home:
        make.execute(notebook, Path(home), DEADLINE)
    found = ast.literal_eval(notebook.cells[-1].outputs[-1].text)
    return [
        f"| {number} | {figure.what} | {figure.published} | {_text(value)} | {figure.how} |"
        for figure, value in zip(LABS[number], found)
    ]


def _text(value: float | list[float]) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else f"{value:.4g}"


if __name__ == "__main__":
    main()
