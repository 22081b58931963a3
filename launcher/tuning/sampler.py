"""Which values to try next: at random, or near what was good before (optuna's TPE, a Bayesian search).

Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Mapping
from typing import Any

from launcher.errors import UserError
from launcher.tuning.search import BAYESIAN, Search
from launcher.tuning.space import Choice, Continuous, Integer, Range

_ASKED_AGAIN = 20  # times, for values that were not tried yet


class Sampler:
    """Proposes the values of trials, and learns what they brought. No two proposals are alike.

    Args:
        search: what is looked for.

    Raises:
        UserError: optuna is not installed.
    """

    def __init__(self, search: Search) -> None:
        optuna = _optuna()
        self._search = search
        self._generator = random.Random(search.seed)  # noqa: S311 - no secret
        self._distributions = {name: _distribution(optuna, one) for name, one in search.space.items()}
        self._study = optuna.create_study(
            direction="minimize" if search.minimize else "maximize", sampler=_sampler(optuna, search)
        )
        self._states = optuna.trial.TrialState
        self._asked: dict[int, Any] = {}
        self._tried: set[str] = set()

    def ask(self, number: int) -> dict[str, Any]:
        """The values of a trial, by name, typed as their ranges.

        Args:
            number: of the trial, for `tell`.
        """
        for _ in range(_ASKED_AGAIN):
            asked = self._study.ask(self._distributions)
            values = self._values(asked.params)
            if self._note(values):
                self._asked[number] = asked
                return values
            self._study.tell(asked, state=self._states.FAIL)
        return self._ask_anything(number)

    def tell(self, number: int, objective: float | None) -> None:
        """What a trial brought; None for nothing that counts."""
        asked = self._asked.pop(number)
        if objective is None:
            self._study.tell(asked, state=self._states.FAIL)
        else:
            self._study.tell(asked, objective)

    def _ask_anything(self, number: int) -> dict[str, Any]:
        """Values at random, until they are new: `Search` made sure that there are enough."""
        while True:
            values = {name: one.draw(self._generator) for name, one in self._search.space.items()}
            if self._note(values):
                self._study.enqueue_trial(self._parameters(values))
                self._asked[number] = self._study.ask(self._distributions)
                return values

    def _note(self, values: Mapping[str, Any]) -> bool:
        """Whether values are new."""
        text = json.dumps(values, sort_keys=True)
        is_new = text not in self._tried
        self._tried.add(text)
        return is_new

    def _values(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _value(one, parameters[name]) for name, one in self._search.space.items()}

    def _parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: one.values.index(values[name]) if isinstance(one, Choice) else values[name]
            for name, one in self._search.space.items()
        }


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("tuning on this machine needs more packages: pip install 'gluon-launcher[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _sampler(optuna: Any, search: Search) -> Any:
    if search.strategy != BAYESIAN:
        return optuna.samplers.RandomSampler(search.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # A third of the trials are at random before it begins to learn; those that are still running count as bad, so
        # that parallel ones differ.
        return optuna.samplers.TPESampler(
            n_startup_trials=max(2, min(10, search.jobs // 3)), multivariate=True, constant_liar=True, seed=search.seed
        )


def _distribution(optuna: Any, one: Range) -> Any:
    if isinstance(one, Continuous):
        return optuna.distributions.FloatDistribution(one.low, one.high, log=one.log)
    if isinstance(one, Integer):
        return optuna.distributions.IntDistribution(one.low, one.high, log=one.log)
    return optuna.distributions.CategoricalDistribution(range(len(one.values)))  # a value may be a list


def _value(one: Range, parameter: Any) -> Any:
    return one.values[parameter] if isinstance(one, Choice) else parameter
