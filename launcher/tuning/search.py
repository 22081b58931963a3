"""What is looked for, where, and how long: the same description for this machine and for SageMaker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import UserError
from launcher.tuning import space
from launcher.tuning.space import Space

BAYESIAN, RANDOM = "bayesian", "random"
STRATEGIES = (BAYESIAN, RANDOM)
_MOST_JOBS, _MOST_PARALLEL = 750, 100  # of a tuning job
_LESS_IS_BETTER = ("loss", "error", "rmse", "mae", "mse", "entropy", "perplexity")
_MEASURES = {"matrix_factorization": "validation:rmse", "object_detector": "validation:map"}  # of our entry points


@dataclass(frozen=True)
class Search:
    """A search for hyperparameters.

    Attributes:
        space: the range of each that is tuned.
        jobs: how many trials there are.
        parallel: how many at the same time, at most.
        strategy: `bayesian` learns from the trials before, `random` does not.
        objective: the metric; of a trial its last value counts.
        minimize: whether less of it is better.
        seed: makes random numbers repeatable; None for others each time.

    Raises:
        UserError: a value that is out of its range.
    """

    space: Space
    jobs: int
    parallel: int = 1
    strategy: str = BAYESIAN
    objective: str = "validation:accuracy"
    minimize: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.jobs <= _MOST_JOBS:
            raise UserError(f"--jobs: 1 to {_MOST_JOBS}, not {self.jobs}")
        if not 1 <= self.parallel <= min(self.jobs, _MOST_PARALLEL):
            raise UserError(f"--parallel: 1 to {min(self.jobs, _MOST_PARALLEL)}, not {self.parallel}")
        if self.strategy not in STRATEGIES:
            raise UserError(f"--strategy: one of {', '.join(STRATEGIES)}, not {self.strategy!r}")
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise UserError(f"--seed: 0 or more and less than 2^31, not {self.seed}")
        combinations = space.size(self.space)
        if combinations < self.jobs:
            raise UserError(
                f"--jobs {self.jobs}: there are only {combinations:.0f} combinations of these values; "
                f"--jobs {combinations:.0f} tries each once"
            )

    @property
    def goal(self) -> str:
        """`highest validation:accuracy`."""
        return f"{'lowest' if self.minimize else 'highest'} {self.objective}"

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether an objective is better than another; any number is better than none."""
        if not math.isfinite(value):
            return False
        return than is None or (value < than if self.minimize else value > than)

    def as_content(self) -> dict[str, Any]:
        """In plain types; `from_content` reads it."""
        return {**vars(self), "space": {name: str(one) for name, one in self.space.items()}}


def from_content(content: dict[str, Any]) -> Search:
    """The search that `as_content` wrote."""
    ranges = {name: space.parse_range(text) for name, text in content["space"].items()}
    return Search(**{**content, "space": ranges})


def measure_of(script: Path) -> str:
    """The metric that a script is tuned by, unless somebody says another one."""
    return _MEASURES.get(script.stem, "validation:accuracy")


def is_minimized(metric: str) -> bool:
    """Whether less of a metric is better, by its name: of a loss or an error it is."""
    return metric.lower().endswith(_LESS_IS_BETTER)
