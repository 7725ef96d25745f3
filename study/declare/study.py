"""Study: what is varied, what is held, what was published and claimed; and its expansion into arms."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from study.declare.claims import OF_SEVERAL_ARMS, Claim
from study.declare.domains import is_domain, quasi_random_points, random_points
from study.errors import StudyError, did_you_mean, mistakes_in
from study.images.config import TrialConfig

MAX_ARMS = 1_000_000
MAX_SEEDS = 10_000
NEEDS_VALIDATION = (
    "needs a validation_size, images held out of the training set: nuisance hyperparameters must not be "
    "selected on the test set"
)

# What a report can publish of an arm, in percent; a bare number is the first.
PUBLISHED = ("test_accuracy", "best_test_accuracy", "test_top5")


@dataclass(frozen=True)
class Arm:
    """One value of what a study varies: its label, and the hyperparameters that it sets.

    `candidates` are the points of the nuisance hyperparameters among which the arm's best is selected; one
    empty point where nothing is tuned.
    """

    label: str
    overrides: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]] = ({},)


class Study(BaseModel):
    """A controlled study: vary one thing (the arms), hold the rest, repeat over seeds.

    Give either `scientific`, hyperparameters with Ray Tune's `tune.grid_search([...])` (several make
    their product) or with domains such as `tune.loguniform(...)` from which `samples` points are drawn;
    or `arms`, `{label: {hyperparameter: value, ...}}` where an arm changes several at once. `fixed` changes
    the baseline for all arms. `nuisance` holds domains of hyperparameters that are tuned inside every arm,
    at `nuisance_samples` quasi-random points: the point with the best mean accuracy on the images held out
    by `validation_size` is selected, and its test accuracy reported. `published` holds an arm's test
    accuracy in percent, or `{metric: percent}`. `reference` is the arm from which tables take differences: by
    default the one that is the baseline, else the first. The name and the question come from the study file.

    Raises StudyError, listing every mistake, when it is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    figure: int | None = None
    scientific: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    samples: int | None = Field(default=None, ge=1)
    nuisance: dict[str, Any] = Field(default_factory=dict)
    nuisance_samples: int | None = Field(default=None, ge=1, le=4096)
    published: dict[str, dict[str, float]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    reference: str = ""
    name: str = ""
    question: str = ""
    source: str = ""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None

    @field_validator("arms", mode="before")
    @classmethod
    def _arm_labels_are_text(cls, arms: Any) -> Any:
        if not isinstance(arms, Mapping):
            return arms
        labels = [str(label) for label in arms]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"arm {twice[0]!r} occurs twice")
        return dict(zip(labels, arms.values(), strict=True))

    @field_validator("reference", mode="before")
    @classmethod
    def _reference_is_text(cls, reference: Any) -> Any:
        return str(reference)

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
        named = [("scientific", self.scientific), ("fixed", self.fixed), ("nuisance", self.nuisance)]
        named += [(f"arm {label!r}", overrides) for label, overrides in self.arms.items()]
        for where, fields in named:
            for field in fields:
                if field == "seed":
                    yield f"{where}: seed is chosen at the start, with --seeds, not in a study"
                elif field not in known:
                    yield f"{where}: unknown hyperparameter {field!r}{did_you_mean(field, known)}"
        for field in self.fixed.keys() & self.scientific.keys():
            yield f"fixed: {field} is what scientific varies"
        for field, space in self.scientific.items():
            is_grid = isinstance(space, Mapping) and space.keys() == {"grid_search"}
            values = space["grid_search"] if is_grid else None
            if not isinstance(values, list | tuple) and not is_domain(space):
                yield f"scientific: {field} = {space!r}: use tune.grid_search([...]) or one of Tune's domains"
            elif values is not None and not values:
                yield f"scientific: {field}: the grid is empty"
        sizes = [self.samples or 1]
        grids = [of.get("grid_search") for of in self.scientific.values() if isinstance(of, Mapping)]
        sizes += [len(grid) for grid in grids if isinstance(grid, list | tuple)]
        if math.prod(sizes) > MAX_ARMS:
            yield f"scientific: {math.prod(sizes):,} arms; at most {MAX_ARMS:,} are allowed"
        drawn = any(is_domain(space) for space in self.scientific.values())
        if drawn != (self.samples is not None):
            yield "samples goes with domains in scientific: samples=8 draws eight points of them"
        yield from self._nuisance_mistakes()

    def _nuisance_mistakes(self) -> Iterator[str]:
        for field, space in self.nuisance.items():
            if not is_domain(space):
                yield f"nuisance: {field} = {space!r}: use a domain such as tune.loguniform(0.001, 1)"
            if any(field in of for of in (self.scientific, self.fixed, *self.arms.values())):
                yield f"nuisance: {field} is set elsewhere in the study too"
        if bool(self.nuisance) != (self.nuisance_samples is not None):
            yield "nuisance and nuisance_samples go together"
        if self.nuisance and not self.fixed.get("validation_size"):
            yield f"nuisance: {NEEDS_VALIDATION}"

    def _arm_mistakes(self) -> Iterator[str]:
        seen: set[str] = set()
        configs: dict[TrialConfig, str] = {}
        # A mistake in `fixed` would be repeated by each arm; it is said once.
        said: dict[str, None] = {}
        for arm in self.expand():
            if arm.label in seen:
                yield f"arm {arm.label!r} occurs twice"
            seen.add(arm.label)
            for candidate in arm.candidates:
                try:
                    config = TrialConfig.checked(**{**self.fixed, **arm.overrides, **candidate})
                    if configs.setdefault(config, arm.label) != arm.label:
                        yield f"arm {arm.label!r} trains the same as arm {configs[config]!r}"
                except StudyError as error:
                    for mistake in error.mistakes:
                        in_fixed = any(re.match(rf"{field}\b", mistake) for field in self.fixed)
                        said[f"fixed: {mistake}" if in_fixed else f"arm {arm.label!r}: {mistake}"] = None
        yield from said

    def _label_mistakes(self) -> Iterator[str]:
        labels = [arm.label for arm in self.expand()]
        if self.reference and self.reference not in labels:
            yield f"reference: no arm {self.reference!r}{did_you_mean(self.reference, labels)}"
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
                    near = did_you_mean(label, labels)
                    yield f"claims: {claim.kind} names no arm of the study: {label!r}{near}"
            named = claim.arms or labels
            if claim.kind in OF_SEVERAL_ARMS and len(named) < 2:
                yield f"claims: {claim.kind} compares arms, and there is only {named[0]!r}"
            if claim.kind == "about_published" and not set(named) & self.published.keys():
                yield f"claims: {claim.kind}: no published value for {', '.join(map(repr, named))}"

    def expand(self) -> list[Arm]:
        """The arms in order; a label is the value itself, or `name=value, ...` where several vary."""
        candidates: list[dict[str, Any]] = [{}]
        if self.nuisance and self.nuisance_samples:
            candidates = quasi_random_points(self.nuisance, self.nuisance_samples)
        labelled = self.arms.items() or [(self._label(point), point) for point in self._points()]
        return [Arm(label, overrides, candidates) for label, overrides in labelled]

    def _points(self) -> list[dict[str, Any]]:
        """What `scientific` spans: the product of its grids, times the points drawn from its domains."""
        grids = {name: of["grid_search"] for name, of in self.scientific.items() if not is_domain(of)}
        domains = {name: of for name, of in self.scientific.items() if is_domain(of)}
        drawn = random_points(domains, self.samples or 1) if domains else [{}]
        return [
            dict(zip(grids, values, strict=True)) | point
            for values in itertools.product(*grids.values())
            for point in drawn
        ]

    @staticmethod
    def _label(point: Mapping[str, Any]) -> str:
        if len(point) == 1:
            return str(next(iter(point.values())))
        return ", ".join(f"{name}={value}" for name, value in point.items())

    @property
    def varies(self) -> str:
        """What the arms are values of: `width`, or `arm` where an arm is more than a value."""
        return next(iter(self.scientific)) if len(self.scientific) == 1 else "arm"

    def reference_arm(self) -> str:
        """The arm that the others are compared with."""
        arms = self.expand()
        baseline = {name: of.default for name, of in TrialConfig.model_fields.items()}
        same = (arm.label for arm in arms if all(baseline[k] == v for k, v in arm.overrides.items()))
        return self.reference or next(same, arms[0].label)

    def configs(
        self, arm: Arm, seeds: int, candidate: Mapping[str, Any] | None = None, **overrides: Any
    ) -> list[TrialConfig]:
        """The trials of an arm (and one of its candidates), one per seed 0 .. seeds-1.

        `overrides` change the baseline and `fixed`, never what the arms set: that is a StudyError.
        """
        own = {**arm.overrides, **(candidate or {})}
        for field in overrides.keys() & own.keys():
            raise StudyError(f"{self.name}: {field} is what its arms set, so it can't be set for all")
        fields = {**self.fixed, **overrides, **own}
        if "seed" in overrides:
            raise StudyError("seed is no hyperparameter to set: seeds=N (--seeds N) runs the seeds 0 to N-1")
        if seeds > MAX_SEEDS:
            raise StudyError(f"seeds = {seeds:,}: at most {MAX_SEEDS:,} are allowed")
        # Validated once; the seed, the only field that differs, is valid by construction.
        try:
            config = TrialConfig.checked(**fields)
        except StudyError as error:
            # A mistake that the overrides make in every arm is said once, without the arm.
            alone = _mistakes_of(overrides)
            where = f"{self.name}: arm {arm.label!r}: "
            raise StudyError(*(of if of in alone else where + of for of in error.mistakes)) from None
        if self.nuisance and not config.validation_size:
            raise StudyError(f"{self.name}: arm {arm.label!r}: {NEEDS_VALIDATION}")
        return [config.model_copy(update={"seed": seed}) for seed in range(seeds)]

    def called(self, name: str, question: str = "", source: str = "") -> Study:
        """The same study under this name (a study file's stem); `source` is how `study tune` is given it."""
        question = self.question or question
        return self.model_copy(update={"name": name, "question": question, "source": source or name})


def _mistakes_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        TrialConfig.checked(**fields)
    except StudyError as error:
        return error.mistakes
    return ()
