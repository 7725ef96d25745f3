"""Study: what is varied, what is held, what was published and claimed; and its expansion into arms."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from study.declare.claims import OF_SEVERAL_ARMS, USUAL_MARGIN, WITHIN_A_MARGIN, Claim
from study.declare.data import names_of_data
from study.declare.domains import is_domain, quasi_random_points, random_points
from study.declare.trainings import training_of
from study.errors import StudyError, did_you_mean, mistakes_in, validated
from study.training import Config, Metric, Training

MAX_ARMS = 1_000_000
MAX_SEEDS = 10_000


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

    training: what is trained: a class, a function or a command (`study.Training`, `study.function`, `study.command`),
        or "package.module:name" of one. By default the networks of the report that this project comes with.
    scientific: hyperparameters with Ray Tune's `tune.grid_search([...])`, of which several make their product, or
        with domains such as `tune.loguniform(...)`, from which `samples` points are drawn.
    arms: in place of it `{label: {hyperparameter: value, ...}}`, where an arm changes several at once.
    fixed: hyperparameters that hold for all arms; all others are at their defaults.
    nuisance: domains of hyperparameters that are tuned inside every arm, at `nuisance_samples` quasi-random points.
        The point with the best mean of the metric `selected_by` is selected, and its reported metric shown.
    selected_by, watched: metrics; by default those that the training names.
    published: of an arm its value of the first metric, or `{metric: value}`, in the metrics' units.
    reference: the arm from which tables take differences; by default the one that is the baseline, else the first.

    The name and the question come from the study file. Raises StudyError, listing every mistake, when it is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    figure: int | None = None
    training: Any = None
    scientific: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    samples: int | None = Field(default=None, ge=1)
    nuisance: dict[str, Any] = Field(default_factory=dict)
    nuisance_samples: int | None = Field(default=None, ge=1, le=4096)
    selected_by: str = ""
    watched: str = ""
    published: dict[str, dict[str, float]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    reference: str = ""
    name: str = ""
    question: str = ""
    source: str = ""

    def __init__(self, **fields: Any) -> None:
        kind = training_of(fields.get("training"))
        fields["training"] = kind
        fields["watched"] = fields.get("watched") or kind.watched or kind.metrics[0].name
        if fields.get("nuisance"):
            fields["selected_by"] = fields.get("selected_by") or kind.selected_by
        if isinstance(published := fields.get("published"), Mapping):
            fields["published"] = {
                str(label): values if isinstance(values, Mapping) else {kind.metrics[0].name: values}
                for label, values in published.items()
            }
        if isinstance(claims := fields.get("claims"), list | tuple):
            published = {name for values in (fields.get("published") or {}).values() for name in values}
            fields["claims"] = tuple(
                _with_margin(claim, kind, published) if isinstance(claim, Claim) else claim
                for claim in claims
            )
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None

    @property
    def kind(self) -> type[Training]:
        """The training."""
        found: type[Training] = self.training
        return found

    @property
    def metrics(self) -> dict[str, Metric]:
        """What it measures, by name."""
        return {metric.name: metric for metric in self.kind.metrics}

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
        known = self.kind.Config.model_fields
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
        if self.selected_by and not self.nuisance:
            yield f"selected_by = {self.selected_by!r}: selects among nuisance hyperparameters, of which there are none"
        if not self.nuisance:
            return
        allowed = [name for name in self.metrics if name != self.kind.metrics[0].name]
        if not self.selected_by:
            yield f"nuisance: give selected_by=..., a metric that is not the reported one: {_listed(allowed)}"
        elif self.selected_by not in allowed:
            yield (
                f"selected_by = {self.selected_by!r}: needed is a metric that is not the reported one: "
                f"{_listed(allowed)}{did_you_mean(self.selected_by, allowed)}"
            )
        elif why := self.kind.unmeasured(self.kind.Config.model_construct(**self.fixed)).get(
            self.selected_by
        ):
            yield f"nuisance: {why}"

    def _arm_mistakes(self) -> Iterator[str]:
        seen: set[str] = set()
        configs: dict[str, str] = {}
        # A mistake in `fixed` would be repeated by each arm; it is said once.
        said: dict[str, None] = {}
        for arm in self.expand():
            if arm.label in seen:
                yield f"arm {arm.label!r} occurs twice"
            seen.add(arm.label)
            for candidate in arm.candidates:
                try:
                    config = validated(self.kind.Config, {**self.fixed, **arm.overrides, **candidate})
                    same = config.model_dump_json()
                    if configs.setdefault(same, arm.label) != arm.label:
                        yield f"arm {arm.label!r} trains the same as arm {configs[same]!r}"
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
            for name, value in values.items():
                if name not in self.metrics:
                    yield f"published: unknown metric {name!r}{did_you_mean(name, self.metrics)}"
                elif self.metrics[name].unit == "%" and not 0 <= value <= 100:
                    yield f"published: {label!r}: {value} is not a percentage"
        if self.watched not in self.metrics:
            yield f"watched: unknown metric {self.watched!r}{did_you_mean(self.watched, self.metrics)}"
        for claim in self.claims:
            if claim.metric and claim.metric not in self.metrics:
                near = did_you_mean(claim.metric, self.metrics) or f"; allowed are {_listed(self.metrics)}"
                yield f"claims: {claim.kind}: unknown metric {claim.metric!r}{near}"
            elif claim.kind in WITHIN_A_MARGIN and claim.margin is None:
                yield f"claims: {claim.kind}: give margin=..., in the metric's unit"
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
        baseline = self.kind.Config().model_dump()
        same = (arm.label for arm in arms if all(baseline[k] == v for k, v in arm.overrides.items()))
        return self.reference or next(same, arms[0].label)

    def config(
        self, arm: Arm, candidate: Mapping[str, Any], overrides: Mapping[str, Any], seeds: int = 1
    ) -> Config:
        """The hyperparameters of an arm and one of its candidates, for all seeds.

        `overrides` change the baseline and `fixed`, never what the arms set: that is a StudyError.
        """
        own = {**arm.overrides, **candidate}
        for field in overrides.keys() & own.keys():
            raise StudyError(f"{self.name}: {field} is what its arms set, so it can't be set for all")
        if "seed" in overrides:
            raise StudyError("seed is no hyperparameter to set: seeds=N (--seeds N) runs the seeds 0 to N-1")
        if seeds > MAX_SEEDS:
            raise StudyError(f"seeds = {seeds:,}: at most {MAX_SEEDS:,} are allowed")
        where = f"{self.name}: arm {arm.label!r}: "
        for name in overrides.keys() - self.kind.Config.model_fields.keys():
            near = did_you_mean(name, self.kind.Config.model_fields)
            raise StudyError(f"{self.name}: {self.kind.called()} has no hyperparameter {name!r}{near}")
        try:
            config = validated(self.kind.Config, {**self.fixed, **overrides, **own})
        except StudyError as error:
            # A mistake that the overrides make in every arm is said once, without the arm.
            alone = _mistakes_of(self.kind.Config, overrides)
            raise StudyError(*(said if said in alone else where + said for said in error.mistakes)) from None
        if self.nuisance and (why := self.kind.unmeasured(config).get(self.selected_by)):
            raise StudyError(f"{where}{why}")
        return config

    def data_settings(self, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters that choose the data and that no arm sets, as they are with these fixed."""
        set_by_arms = {name for arm in self.expand() for name in arm.overrides} | self.nuisance.keys()
        names = [name for name in names_of_data(self.kind) if name not in set_by_arms]
        baseline = self.kind.Config.model_construct(**fixed).model_dump(mode="json", include=set(names))
        return {name: baseline[name] for name in names}

    def called(self, name: str, question: str = "", source: str = "") -> Study:
        """The same study under this name (a study file's stem); `source` is how `study tune` is given it."""
        question = self.question or question
        return self.model_copy(update={"name": name, "question": question, "source": source or name})


def _mistakes_of(config: type[Config], fields: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        validated(config, fields)
    except StudyError as error:
        return error.mistakes
    return ()


def _with_margin(claim: Claim, kind: type[Training], published: Container[str]) -> Claim:
    """The claim with the usual margin where it needs one, gives none, and is about metrics in %."""
    about = [
        metric for metric in kind.metrics if metric.name in ([claim.metric] if claim.metric else published)
    ]
    units = {metric.unit for metric in about}
    if claim.kind in WITHIN_A_MARGIN and claim.margin is None and units == {"%"}:
        return claim.model_copy(update={"margin": USUAL_MARGIN})
    return claim


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "the training has no other"
