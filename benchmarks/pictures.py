"""The accuracy of `image_classifier` with `cifar_resnet20_v1` on MNIST and Fashion-MNIST as folders of PNG pictures.

    python benchmarks/pictures.py --mnist DIR --fashion DIR [--each 100] [--scored 100] [--epochs 10] [--seeds 1 2 3]

DIR has the files of the full data set in the IDX format. The first pictures of each class, of 32 x 32 pixels, are
written into a temporary directory; each row is real `glaunch run`s on them, a seed each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import trained

from launcher import digit_pictures, library

CLASSES = 10
NETWORK = {"network": "cifar_resnet20_v1", "image_size": 32, "batch_size": 32, "learning_rate": 0.05, "log_interval": 0}
DATA: dict[str, dict[str, Any]] = {"mnist": {"flip": False}, "fashion": {"flip": True}}  # a shoe may look left or right


def main() -> None:
    """Runs the rows and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in DATA:
        parser.add_argument(f"--{name}", type=Path, help="its directory; without one it is left out")
    parser.add_argument("--each", type=int, default=100, help="pictures of a class to learn from")
    parser.add_argument("--scored", type=int, default=100, help="test pictures of a class")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--write", type=Path, help="a file that gets the table too")
    options = parser.parse_args()
    lines = [
        "| data | learned from | epochs | scored on | train / test, median | test of each seed | samples/s, median |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, values in DATA.items():
        source = getattr(options, name)
        if source is None:
            continue
        with tempfile.TemporaryDirectory(prefix="pictures-") as directory:
            write(source, Path(directory), options.each, options.scored)
            wanted = {**NETWORK, **values, "epochs": options.epochs}
            found = [
                trained.metrics("image_classifier", Path(directory), {**wanted, "seed": seed}) for seed in options.seeds
            ]
        lines.append(line(name, options, found))
        print(lines[-1], flush=True)
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", "utf-8")


def write(source: Path, directory: Path, each: int, scored: int) -> None:
    """Writes so many training and test pictures of each class of a data set as `train/` and `val/`."""
    sys.path.insert(0, str(library.directory()))
    from gluon_job import datasets

    for part, images, count in zip(("train", "val"), datasets.load_images({"training": str(source)}), (each, scored)):
        if images is None:
            raise SystemExit(f"{source} has no test images")
        digit_pictures.write_folders(directory / part, images.images[:, 0], images.labels, count)


def line(name: str, options: argparse.Namespace, found: list[dict[str, float]]) -> str:
    """The table's line of a data set."""

    def median(metric: str) -> float:
        return statistics.median(one[metric] for one in found)

    seeds = ", ".join(f"{one['validation:accuracy']:.4f}" for one in found)
    return (
        f"| {name} | {CLASSES * options.each:,} pictures | {options.epochs} | {CLASSES * options.scored:,} | "
        f"{median('train:accuracy'):.4f} / {median('validation:accuracy'):.4f} | {seeds} | "
        f"{median('train:samples_per_second'):.0f} |"
    )


if __name__ == "__main__":
    main()
