"""What a search may try: the range of each hyperparameter that is tuned."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from launcher.errors import UserError

_MOST_RANGES, _MOST_CHOICES = 30, 30  # of CreateHyperParameterTuningJob
_FORMS = "float:LOW:HIGH, log:LOW:HIGH, int:LOW:HIGH, logint:LOW:HIGH or choice:A,B"


@dataclass(frozen=True)
class Continuous:
    """Any number from `low` to `high`; with `log` as likely between 0.001 and 0.01 as between 0.01 and 0.1."""

    low: float
    high: float
    log: bool = False

    @property
    def size(self) -> float:
        """How many values there are."""
        return math.inf

    def draw(self, generator: random.Random) -> float:
        """A value, all as likely as the scale says."""
        if not self.log:
            return generator.uniform(self.low, self.high)
        drawn = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)

    def __str__(self) -> str:
        return f"{'log' if self.log else 'float'}:{_text(self.low)}:{_text(self.high)}"


@dataclass(frozen=True)
class Integer:
    """Any whole number from `low` to `high`, both included; `log` as of Continuous."""

    low: int
    high: int
    log: bool = False

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1

    def draw(self, generator: random.Random) -> int:
        """A value, all as likely as the scale says."""
        if not self.log:
            return generator.randint(self.low, self.high)
        drawn = math.exp(generator.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def __str__(self) -> str:
        return f"{'logint' if self.log else 'int'}:{self.low}:{self.high}"


@dataclass(frozen=True)
class Choice:
    """One of some values, each of any type of JSON."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def draw(self, generator: random.Random) -> Any:
        """One of them, all as likely."""
        return generator.choice(self.values)

    def __str__(self) -> str:
        plain = ",".join(one if isinstance(one, str) else json.dumps(one) for one in self.values)
        whole = json.dumps(self.values)
        is_plain = json.dumps([_value(one) for one in plain.split(",")]) == whole
        return f"choice:{plain if is_plain and not plain.startswith('[') else whole}"


Range = Union[Continuous, Integer, Choice]
Space = Mapping[str, Range]


def parse(words: Iterable[str]) -> dict[str, Range]:
    """The ranges of a command line.

    Args:
        words: `learning_rate=log:0.001:0.3`, `momentum=float:0:0.99`, `batch_size=int:32:256`, `units=logint:8:512`,
            `optimizer=choice:sgd,adam`; the values of a choice are JSON, or else strings, in one JSON list if they
            have commas in them: `hidden=choice:[[16], [64, 32]]`.

    Raises:
        UserError: no range, two of one name, or one that is not as above; the message has the word.
    """
    space: dict[str, Range] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise UserError(f"--param {word}: expected NAME=RANGE, and a range is {_FORMS}")
        if name in space:
            raise UserError(f"--param {word}: {name} has a range already")
        try:
            space[name] = parse_range(text)
        except UserError as error:
            raise UserError(f"--param {word}: {error}") from None
    if not space:
        raise UserError(f"nothing to tune: give at least one --param NAME=RANGE, and a range is {_FORMS}")
    if len(space) > _MOST_RANGES:
        raise UserError(f"--param: at most {_MOST_RANGES}, as on SageMaker, not {len(space)}")
    return space


def parse_range(text: str) -> Range:
    """One range: what stands behind the `=`. Raises UserError as `parse` does."""
    kind, _, rest = text.partition(":")
    if kind == "choice":
        return _choice(rest)
    if kind in ("float", "log"):
        return _continuous(*_bounds(rest, float), log=kind == "log")
    if kind in ("int", "logint"):
        return _integer(*_bounds(rest, int), log=kind == "logint")
    raise UserError(f"{text!r} is no range: expected {_FORMS}")


def size(space: Space) -> float:
    """How many combinations of values there are; infinite with a continuous range."""
    return math.prod(one.size for one in space.values())


def _text(number: float) -> str:
    return repr(number).removesuffix(".0")


def _bounds(text: str, kind: Any) -> tuple[Any, Any]:
    low, colon, high = text.partition(":")
    try:
        found = kind(low), kind(high)
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise UserError(f"{text!r}: expected two {what}, as {'32:256' if kind is int else '0.001:0.3'}") from None
    if not colon or not all(map(math.isfinite, found)):
        raise UserError(f"{text!r}: expected LOW:HIGH, two finite numbers")
    if found[0] >= found[1]:
        raise UserError(f"{text!r}: the first number must be less than the second")
    return found


def _continuous(low: float, high: float, *, log: bool) -> Continuous:
    if log and low <= 0:
        raise UserError(f"a logarithmic range begins above 0, not at {low:g}")
    return Continuous(low, high, log)


def _integer(low: int, high: int, *, log: bool) -> Integer:
    if log and low < 1:
        raise UserError(f"a logarithmic range of whole numbers begins at 1 or above, not at {low}")
    return Integer(low, high, log)


def _choice(text: str) -> Choice:
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else None
    except ValueError as error:
        raise UserError(f"the list is not JSON: {error}") from None
    values = tuple(listed) if listed is not None else tuple(map(_value, text.split(",")))
    if any(value == "" for value in values) or len(values) < 2:
        raise UserError("a choice needs two values or more, with commas between them, as choice:sgd,adam")
    if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
        raise UserError("a value is there twice")
    if len(values) > _MOST_CHOICES:
        raise UserError(f"a choice has at most {_MOST_CHOICES} values, as on SageMaker, not {len(values)}")
    return Choice(values)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
