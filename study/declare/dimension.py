"""Dimension: one thing that a search chooses, as one of Ray Tune's domains declares it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from study.declare.domains import DIGITS
from study.errors import StudyError

# A value in this share of the range from an end of it lies at its edge.
EDGE = 0.05
# What is left of a whole number of steps by adding floats up.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Dimension:
    """A number from `low` to `high`, both allowed, in steps of `step`, or evenly in its logarithm; or one of `choices`,
    by its place.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] | None = None

    @property
    def size(self) -> float:
        """How many values there are; infinite for floats."""
        if self.choices is not None:
            return len(self.choices)
        step = self.step or (1 if self.whole else 0)
        return math.floor((self.high - self.low) / step + ROUNDING) + 1 if step else math.inf

    def value(self, chosen: Any) -> Any:
        """What is trained with, of what a sampler chose: a float has 4 significant digits."""
        if self.choices is not None:
            return self.choices[chosen]
        if self.step:
            chosen = round(chosen / self.step) * self.step
        if self.whole:
            return min(max(int(chosen), int(self.low)), int(self.high))
        return min(max(float(f"{chosen:.{DIGITS}g}"), self.low), self.high)

    def chosen(self, value: Any) -> Any:
        """The other way round. Raises ValueError for a value that can't be chosen."""
        if self.choices is not None:
            for place, choice in enumerate(self.choices):
                if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                    return place
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, self.choices))}")
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise ValueError(f"{value!r} is not in [{self.low:g}, {self.high:g}]")
        step = self.step or (1 if self.whole else 0)
        if step and abs(value / step - round(value / step)) > ROUNDING:
            raise ValueError(f"{value!r} is no multiple of {step:g}")
        return int(value) if self.whole else float(value)

    def drawn(self, generator: random.Random) -> Any:
        """One at random, evenly."""
        if self.log:
            drawn = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
            return min(max(round(drawn), int(self.low)), int(self.high)) if self.whole else drawn
        if math.isfinite(self.size):
            drawn = self.low + (self.step or 1) * generator.randint(0, int(self.size) - 1)
            return int(drawn) if self.whole else min(drawn, self.high)  # floats add up to more
        return generator.uniform(self.low, self.high)

    def chosen_at(self, end: str) -> Any:
        """What is chosen at the "low" or the "high" end."""
        at = self.low if end == "low" else self.high
        return int(at) if self.whole else at

    def edge(self, value: Any) -> str:
        """At which end of the range a value lies, "lower" or "upper"; "" within it. Choices have no ends."""
        if self.choices is not None or self.low == self.high or self.size <= 3:
            return ""
        low, high, at = (math.log(one) if self.log else one for one in (self.low, self.high, float(value)))
        share = (at - low) / (high - low)
        return "lower" if share <= EDGE else "upper" if share >= 1 - EDGE else ""


def dimension(name: str, domain: Any) -> Dimension:
    """What one of Ray Tune's domains lets choose. Raises StudyError for one that no sampler can search."""
    if hasattr(domain, "categories"):
        return Dimension(0, len(domain.categories) - 1, whole=True, choices=tuple(domain.categories))
    sampler, step = domain.get_sampler(), None
    if type(sampler).__name__ == "Quantized":
        sampler, step = sampler.sampler, sampler.q
    kind = type(sampler).__name__
    if not hasattr(domain, "lower") or kind not in ("_Uniform", "_LogUniform"):
        raise StudyError(
            f"search: {name}: can't be searched; use tune.uniform, loguniform, randint, lograndint, "
            "those of them with q, or choice"
        )
    whole, log = type(domain).__name__ == "Integer", kind == "_LogUniform"
    low, high = float(domain.lower), float(domain.upper)
    if whole and step is None:
        high -= 1  # Tune leaves out the upper bound of whole numbers
    if step and not log:
        # Multiples of q, as Tune rounds to them, in the range.
        low, high = math.ceil(low / step - ROUNDING) * step, math.floor(high / step + ROUNDING) * step
    if low > high or (log and low <= 0):
        raise StudyError(f"search: {name}: [{low:g}, {high:g}] is no range{' of a logarithm' if log else ''}")
    return Dimension(low, high, whole, log, None if whole and step == 1 else step)
