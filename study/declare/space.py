"""Space: where a search looks for hyperparameters; some of them may depend on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from study.declare.dimension import Dimension, dimension
from study.declare.domains import is_domain

# Chooses in a dimension, which has a name of its own in the space.
Choose = Callable[[str, Dimension], Any]


class Space:
    """Hyperparameters, each a value or one of Ray Tune's domains.

    What a `tune.choice` chooses may be hyperparameters again, which are set with it alone: {"optimizer": tune.choice([
    {"optimizer": "sgd", "momentum": tune.uniform(0, 0.99)}, {"optimizer": "adam"}])}.

    A `point` is what was chosen by the dimensions' names: a number, or the place of a choice. Raises StudyError for a
    domain that can't be searched.
    """

    def __init__(self, given: Mapping[str, Any], within: str = "") -> None:
        self._fixed = {name: value for name, value in given.items() if not is_domain(value)}
        self._within = within
        self._own = {name: dimension(within + name, one) for name, one in given.items() if is_domain(one)}
        self._branches = {
            (name, place): Space(choice, f"{within}{name}={place}.")
            for name, one in self._own.items()
            for place, choice in enumerate(one.choices or ())
            if isinstance(choice, Mapping)
        }

    @cached_property
    def dimensions(self) -> dict[str, Dimension]:
        """All of them by name."""
        found = {self._within + name: one for name, one in self._own.items()}
        for branch in self._branches.values():
            found |= branch.dimensions
        return found

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The hyperparameters that are values, by names as the dimensions have them."""
        found = {self._within + name: value for name, value in self._fixed.items()}
        for branch in self._branches.values():
            found |= branch.constants
        return found

    @property
    def conditional(self) -> bool:
        """Whether some hyperparameters depend on others."""
        return bool(self._branches)

    @cached_property
    def names(self) -> set[str]:
        """The hyperparameters that its points set, each of them or some."""
        values = {name for name, one in self._own.items() if not self._only_branches(name, one)}
        return values.union(self._fixed, *(branch.names for branch in self._branches.values()))

    @property
    def size(self) -> float:
        """How many points there are."""
        return math.prod(
            sum(self._branches[name, place].size if (name, place) in self._branches else 1
                for place in range(len(one.choices)))
            if one.choices is not None else one.size
            for name, one in self._own.items()
        )  # fmt: skip

    def choose(self, choose: Choose) -> tuple[dict[str, Any], dict[str, Any]]:
        """A point, dimension by dimension, and the hyperparameters that it stands for."""
        point, values = dict[str, Any](), dict(self._fixed)
        for name, one in self._own.items():
            point[self._within + name] = chosen = choose(self._within + name, one)
            if branch := self._branches.get((name, chosen)):
                of_branch, set_by_branch = branch.choose(choose)
                point |= of_branch
                values |= set_by_branch
            else:
                values[name] = one.value(chosen)
        return point, values

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters that a point stands for."""
        return self.choose(lambda name, _: point[name])[1]

    def point(self, values: Mapping[str, Any], among_others: bool = False) -> dict[str, Any]:
        """The point that stands for these hyperparameters, of which some may be none of its own where it is
        `among_others`. Raises ValueError, with the reason, where there is none.
        """
        point = self._point(values)
        more = sorted(values.keys() - self.values(point).keys())
        if more and not among_others:
            raise ValueError(
                f"{', '.join(more)}: not searched{' with the others' if self.conditional else ''}"
            )
        return point

    def edges(self, point: Mapping[str, Any]) -> dict[str, str]:
        """Of the dimensions in which the point lies at an end of the range, at which: "lower" or "upper"."""
        ends = {
            name: self.dimensions[name].edge(self.dimensions[name].value(at)) for name, at in point.items()
        }
        return {name: end for name, end in ends.items() if end}

    def _point(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in self._fixed.items():
            if values.get(name, value) != value:
                raise ValueError(f"{name} = {values[name]!r}: is {value!r}")
        point: dict[str, Any] = {}
        for name, one in self._own.items():
            found: list[tuple[int, dict[str, Any]]] = []
            reasons: list[str] = []
            for place in range(len(one.choices or ())):
                if branch := self._branches.get((name, place)):
                    try:
                        of_branch = branch._point(values)
                    except ValueError as error:
                        reasons.append(str(error))
                        continue
                    known = len(branch.values(of_branch).keys() & values.keys())
                    found.append((known, {self._within + name: place, **of_branch}))
            if name in values and not self._only_branches(name, one):
                try:
                    found.append((1, {self._within + name: one.chosen(values[name])}))
                except ValueError as error:
                    reasons.append(f"{name} = {error}")
            if not found:
                raise ValueError("; or ".join(reasons) or f"{name} is missing")
            point |= max(found, key=lambda fit: fit[0])[1]
        return point

    def _only_branches(self, name: str, one: Dimension) -> bool:
        """Whether each choice sets hyperparameters, so that the name itself may be none."""
        return bool(one.choices) and all(
            (name, place) in self._branches for place in range(len(one.choices or ()))
        )
