"""Typed hyperparameters: what a script accepts, and the check of what it was given."""

import difflib
import math
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Union

from gluon_job.errors import InputError

_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    dict: "an object",
}


class Hyperparameter(NamedTuple):
    """One value that a script accepts.

    Attributes:
        default: the value when none is given; its type is the accepted type unless `kind` says otherwise.
        help: one sentence for the table in the documentation.
        kind: int, float, bool, str or dict; a tuple of these for either, a list of one of these for a list.
        low, high: the inclusive range of a number, or of each number of a list.
        above: an exclusive lower bound, for values such as a learning rate.
        choices: the accepted values.
        optional: whether None (JSON's null) is accepted.
    """

    default: Any
    help: str
    kind: Any = None
    low: Optional[float] = None
    high: Optional[float] = None
    above: Optional[float] = None
    choices: Optional[Sequence[Any]] = None
    optional: bool = False

    def check(self, name: str, value: Any) -> Any:
        """The value as the script uses it (an int where a float is meant becomes one); InputError if it cannot be."""
        if value is None and (self.optional or self.default is None):
            return None
        kind = self.kind or ([type(self.default[0])] if isinstance(self.default, list) else type(self.default))
        if not isinstance(kind, list):
            return self._check_one(name, value, kind)
        if not isinstance(value, list):
            example = f" such as {self.default!r}" if self.default else ""
            raise InputError(f"hyperparameter {name} is a list{example}, not {value!r}")
        return [self._check_one(f"{name}[{i}]", item, kind[0]) for i, item in enumerate(value)]

    def _check_one(self, name: str, value: Any, kind: Any) -> Any:
        # bool is an int to Python, and True epochs is a mistake; 10.0 epochs is what a tuner sends.
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(_TYPE_NAMES[one] for one in kinds)
            raise InputError(f"hyperparameter {name} is {names}, not {value!r}")
        if self.choices is not None and value not in self.choices:
            raise InputError(
                f"hyperparameter {name} is one of {', '.join(map(str, self.choices))}, not {value!r}"
                f"{did_you_mean(str(value), self.choices)}"
            )
        self._check_range(name, value)
        return value

    def _check_range(self, name: str, value: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"hyperparameter {name} must be a finite number, not {value:g}")
        if self.low is not None and value < self.low:
            raise InputError(f"hyperparameter {name} must be at least {self.low:g}, not {value:g}")
        if self.above is not None and value <= self.above:
            raise InputError(f"hyperparameter {name} must be greater than {self.above:g}, not {value:g}")
        if self.high is not None and value > self.high:
            raise InputError(f"hyperparameter {name} must be at most {self.high:g}, not {value:g}")


def parse(given: Mapping[str, Any], accepted: Mapping[str, Hyperparameter]) -> Dict[str, Any]:
    """Every accepted hyperparameter with the value given for it, or its default.

    Names that begin with `_` (SageMaker's tuner and parameter server send some) are passed over.

    Raises:
        InputError: an unknown name (the nearest known one is suggested), a value of the wrong type or range.
    """
    values = {name: parameter.default for name, parameter in accepted.items()}
    for name, value in given.items():
        if name.startswith("_"):
            continue
        if name not in accepted:
            raise InputError(
                f"unknown hyperparameter {name!r}{did_you_mean(name, accepted)}; "
                f"accepted: {', '.join(sorted(accepted)) or 'none'}"
            )
        values[name] = accepted[name].check(name, value)
    return values


def did_you_mean(name: str, known: Union[Sequence[Any], Mapping[str, Any]]) -> str:
    """` (did you mean 'epochs'?)` for the nearest of the known names, or nothing when none is near."""
    nearest = difflib.get_close_matches(name, [str(item) for item in known], n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""
