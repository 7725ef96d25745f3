"""Study: what is varied, what is held, what was published and claimed; and its expansion into arms."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from study.claims import Claim
from study.config import StudyError, TrialConfig, did_you_mean, mistakes_in

MAX_ARMS = 1_000_000

# What a report can publish of an arm, in percent; a bare number is the first.
PUBLISHED = ("test_accuracy", "best_test_accuracy", "test_top5")


@dataclass(frozen=True)
class Arm:
    """One value of what a study varies: its label, and the hyperparameters that it sets."""

    label: str
    overrides: Mapping[str, Any]


class Study(BaseModel):
    """A controlled study: vary one thing (the arms), hold the rest, repeat over seeds.

    Give either `scientific`, hyperparameters with Ray Tune's `tune.grid_search([...])` (several make
    their product), or `arms`, `{label: {hyperparameter: value, ...}}` where an arm changes several at
    once. `fixed` changes the baseline for all arms. `published` holds an arm's test accuracy in percent,
    or `{metric: percent}`. The name and the question come from the study file.

    Raises StudyError, listing every mistake, when it is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    figure: int | None = None
    scientific: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    published: dict[str, dict[str, float]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    name: str = ""
    question: str = ""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None

    @field_validator("arms", mode="before")
    @classmethod
    def _arm_labels_are_text(cls, arms: Any) -> Any:
        return {str(label): of for label, of in arms.items()} if isinstance(arms, Mapping) else arms

    @field_validator("published", mode="before")
    @classmethod
    def _published_of_each_label(cls, published: Any) -> Any:
        if not isinstance(published, Mapping):
            return published
        return {
            str(label): of if isinstance(of, Mapping) else {"test_accuracy": of}
            for label, of in published.items()
        }

    @model_validator(mode="after")
    def _everything_fits_together(self) -> Study:
        mistakes = [*self._structural_mistakes()]
        if not mistakes:
            mistakes = [*self._arm_mistakes(), *self._label_mistakes()]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def _structural_mistakes(self) -> Iterator[str]:
        if bool(self.scientific) == bool(self.arms):
            yield "give either scientific={...} or arms={...}, and at least one arm"
        known = set(TrialConfig.model_fields) - {"seed"}
        named = [("scientific", self.scientific), ("fixed", self.fixed)]
        named += [(f"arm {label!r}", overrides) for label, overrides in self.arms.items()]
        for where, fields in named:
            for field in fields:
                if field == "seed":
                    yield f"{where}: seed is chosen at the start, with --seeds, not in a study"
                elif field not in known:
                    yield f"{where}: unknown hyperparameter {field!r}{did_you_mean(field, known)}"
        sizes = []
        for field, space in self.scientific.items():
            values = space.get("grid_search") if isinstance(space, Mapping) else None
            if not isinstance(values, list | tuple):
                yield f"scientific: {field} = {space!r}: use tune.grid_search([...])"
            elif not values:
                yield f"scientific: {field}: the grid is empty"
            else:
                sizes.append(len(values))
        if math.prod(sizes) > MAX_ARMS:
            yield f"scientific: {math.prod(sizes):,} arms; at most {MAX_ARMS:,} are allowed"

    def _arm_mistakes(self) -> Iterator[str]:
        seen: set[str] = set()
        # A mistake in `fixed` would be repeated by each arm; it is said once.
        said: dict[str, None] = {}
        for arm in self.expand():
            if arm.label in seen:
                yield f"arm {arm.label!r} occurs twice"
            seen.add(arm.label)
            try:
                TrialConfig.checked(**{**self.fixed, **arm.overrides})
            except StudyError as error:
                for mistake in error.mistakes:
                    in_fixed = any(re.match(rf"{field}\b", mistake) for field in self.fixed)
                    said[f"fixed: {mistake}" if in_fixed else f"arm {arm.label!r}: {mistake}"] = None
        yield from said

    def _label_mistakes(self) -> Iterator[str]:
        labels = [arm.label for arm in self.expand()]
        for label, values in self.published.items():
            if label not in labels:
                yield f"published: no arm {label!r}{did_you_mean(label, labels)}"
            for metric, percent in values.items():
                if metric not in PUBLISHED:
                    yield f"published: unknown metric {metric!r}{did_you_mean(metric, PUBLISHED)}"
                if not 0 <= percent <= 100:
                    yield f"published: {label!r}: {percent} is not a percentage"
        for claim in self.claims:
            for label in claim.arms:
                if label not in labels:
                    yield f"claims: {claim.kind} names no arm of the study: {label!r}" + did_you_mean(
                        label, labels
                    )

    def expand(self) -> list[Arm]:
        """The arms in order; a label is the value itself, or `name=value, ...` where several vary."""
        if self.arms:
            return [Arm(label, overrides) for label, overrides in self.arms.items()]
        names = list(self.scientific)
        grids = [space["grid_search"] for space in self.scientific.values()]
        if len(names) == 1:
            return [Arm(str(value), {names[0]: value}) for value in grids[0]]
        products = itertools.product(*grids)
        return [
            Arm(
                ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)),
                dict(zip(names, values, strict=True)),
            )
            for values in products
        ]

    @property
    def varies(self) -> str:
        """What the arms are values of: `width`, or `arm` where an arm is more than a value."""
        return next(iter(self.scientific)) if len(self.scientific) == 1 else "arm"

    def configs(self, arm: Arm, seeds: int, **overrides: Any) -> list[TrialConfig]:
        """The arm's trials, one per seed 0 .. seeds-1.

        `overrides` change the baseline and `fixed`, never what the arms set: that is a StudyError.
        """
        for field in overrides:
            if field in arm.overrides:
                raise StudyError(
                    f"{self.name}: {field} is what arm {arm.label!r} sets, so it can't be set for all"
                )
        fields = {**self.fixed, **overrides, **arm.overrides}
        # Validated once; the seed, the only field that differs, is valid by construction.
        config = TrialConfig.checked(f"{self.name}: arm {arm.label!r}: ", **fields)
        return [config.model_copy(update={"seed": seed}) for seed in range(seeds)]

    def called(self, name: str, question: str = "") -> Study:
        """The same study under this name (a study file's stem)."""
        return self.model_copy(update={"name": name, "question": self.question or question})
