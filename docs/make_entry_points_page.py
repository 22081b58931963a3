"""Writes docs/entry_points.md from the hyperparameters that the entry points declare: `make docs`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

_HEAD = "| name | default | accepts | meaning |\n|---|---|---|---|\n"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "entry_points"))


def page() -> str:
    """The whole page; it depends on nothing but the entry points."""
    parts = [
        "# Entry points\n\nMade from the code by `make docs`. Values are given as `-p name=value` or in a job file.\n"
    ]
    for name in ("mnist_mlp", "mnist_cnn", "matrix_factorization", "image_classifier", "object_detector"):
        module = importlib.import_module(name)
        title, _, rest = module.__doc__.partition("\n")
        parts.append(f"\n## {name}\n\n{title}\n{rest.rstrip()}\n\n{_HEAD}")
        parts += [_row(key, value) for key, value in sorted(module.HYPERPARAMETERS.items())]
    parts.append("\n## Layers\n\nOf `layers`, a list of objects. A dense layer for the classes is added at the end.\n")
    for kind, accepted in importlib.import_module("gluon_job.layers").ACCEPTED.items():
        parts.append(f"\n`{kind}`" + ("\n\n" + _HEAD if accepted else ", without values\n"))
        parts += [_row(key, value) for key, value in accepted.items()]
    zoo = importlib.import_module("gluon_job.vision.zoo")
    for script, networks in (("image_classifier", zoo.classifiers()), ("object_detector", zoo.detectors())):
        parts.append(f"\n## Networks of {script}\n\n" + "\n".join(f"- `{one}`" for one in networks) + "\n")
    return "".join(parts)


def _row(name: str, parameter) -> str:
    return f"| `{name}` | `{json.dumps(parameter.default)}` | {_accepts(parameter)} | {parameter.help} |\n"


def _accepts(parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    kind = parameter.kind or type(parameter.default)
    if kind is list:
        kind = [type(parameter.default[0])]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    text = f"list of {kind[0].__name__}" if isinstance(kind, list) else " or ".join(one.__name__ for one in kinds)
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("≥", parameter.low), (">", parameter.above), ("≤", parameter.high))
        if bound is not None
    ]
    return " ".join([text, ", ".join(bounds)]).strip()


if __name__ == "__main__":
    (HERE / "entry_points.md").write_text(page(), "utf-8")
