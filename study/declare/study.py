"""Study: what is varied, what is held, what was published and claimed; and its expansion into arms."""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from study.declare.claims import USUAL_MARGIN, WITHIN_A_MARGIN, Claim, above, below
from study.declare.data import names_of_data
from study.declare.domains import is_domain, quasi_random_points, random_points
from study.declare.mistakes import mistakes_of_config, mistakes_of_study
from study.declare.space import Space
from study.declare.trainings import training_of
from study.errors import StudyError, did_you_mean, mistakes_in, validated
from study.lineage import Lineage
from study.metric import Metric
from study.plain import plain, plain_list
from study.training import Config, Training

MAX_SEEDS, MAX_BUDGET, MAX_FINALISTS = 10_000, 20_000, 20
# The arms of a study that searches.
BASELINE, BEST = "baseline", "best"
# A whole number of Python or NumPy; True and "3" are none.
Whole = Annotated[int, Strict(), BeforeValidator(plain)]


@dataclass(frozen=True)
class Arm:
    """One value of what a study varies: its label, and the hyperparameters that it sets.

    `candidates` are the points of the nuisance hyperparameters among which the arm's best is selected; one
    empty point where nothing is tuned. `lineage`: how hyperparameters change while it is trained.
    """

    label: str
    overrides: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]] = ({},)
    lineage: Lineage = ()


class Study(BaseModel):
    """A controlled study: vary one thing (the arms), hold the rest, repeat over seeds.

    training: what is trained: a class, a function or a command (`study.Training`, `study.function`, `study.command`),
        or "package.module:name" of one. By default the networks of the report that this project comes with.
    scientific: hyperparameters with Ray Tune's `tune.grid_search([...])`, of which several make their product, or
        with domains such as `tune.loguniform(...)`, from which `samples` points are drawn.
    arms: in place of it `{label: {hyperparameter: value, ...}}`, where an arm changes several at once.
    fixed: hyperparameters that hold for all arms; all others are at their defaults.
    nuisance: domains of hyperparameters that are tuned inside every arm, at `nuisance_samples` quasi-random points.
        The point with the best mean of the metric `selected_by` is selected, and its reported metric shown. With a
        `sampler` they are searched instead: as many points in each arm, which the sampler suggests, with seed 0; the
        other seeds tell of the best.
    selected_by, watched: metrics; by default those that the training names.
    search: in place of arms, where to look for good hyperparameters, with domains as in `scientific`; what a
        `tune.choice` chooses may be hyperparameters again, which are set with it alone.
    budget, sampler: how many trials may be trained to search, with seed 0, and what suggests them: tpe, gp, cmaes,
        nsga2, qmc or random; or pbt, which trains so many side by side and lets the bad ones go on from the good ones.
    objective: the metric, or the metrics, that the search goes by; by default `selected_by` of the training.
    start: points to begin with, after the baseline.
    finalists: so many of the best points are trained with the other seeds, which tell how good they are, as is the
        baseline: the arms "baseline", "best", "2nd best", ...
    published: of an arm its value of the first metric, or `{metric: value}`, in the metrics' units.
    seeds: how many are planned, the seeds 0 to N - 1. A study that is run with just as many, and was never run with
        another number, has narrower intervals than one whose seeds are added to until something is decided.
    reference: the arm from which tables take differences; by default the one that is the baseline, else the first.

    The name and the question come from the study file. Raises StudyError, listing every mistake, when it is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    figure: Whole | None = None
    training: Any = None
    scientific: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    samples: Whole | None = Field(default=None, ge=1)
    nuisance: dict[str, Any] = Field(default_factory=dict)
    nuisance_samples: Whole | None = Field(default=None, ge=1, le=4096)
    search: dict[str, Any] = Field(default_factory=dict)
    budget: Whole | None = Field(default=None, ge=1, le=MAX_BUDGET)
    sampler: str = ""
    objective: tuple[str, ...] = ()
    start: tuple[dict[str, Any], ...] = ()
    finalists: Whole = Field(default=3, ge=1, le=MAX_FINALISTS)
    selected_by: str = ""
    watched: str = ""
    published: dict[str, dict[str, float]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    seeds: Whole | None = Field(default=None, ge=1, le=MAX_SEEDS)
    reference: str = ""
    name: str = ""
    question: str = ""
    source: str = ""
    # By arm, the nuisance hyperparameters that a sampler found, and the keys of the trials that it began with.
    _tuned: dict[str, Mapping[str, Any]] = PrivateAttr(default_factory=dict)
    _begun: dict[str, str] = PrivateAttr(default_factory=dict)
    _lineages: dict[str, Lineage] = PrivateAttr(default_factory=dict)

    def __init__(self, **fields: Any) -> None:
        kind = training_of(fields.get("training"))
        fields["training"] = kind
        fields["watched"] = fields.get("watched") or kind.watched or kind.metrics[0].name
        if fields.get("nuisance"):
            fields["selected_by"] = fields.get("selected_by") or kind.selected_by
        if fields.get("search"):
            fields["objective"] = fields.get("objective") or kind.selected_by
            fields["sampler"] = fields.get("sampler") or "tpe"
            fields["claims"] = fields.get("claims") or _claims_of_search(kind, fields["objective"])
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

    @field_validator("scientific", mode="before")
    @classmethod
    def _grids_are_lists(cls, scientific: Any) -> Any:
        if not isinstance(scientific, Mapping):
            return scientific
        return {name: _with_list(space) for name, space in scientific.items()}

    @field_validator("start", mode="before")
    @classmethod
    def _starts_are_pythons(cls, start: Any) -> Any:
        if not isinstance(start, list | tuple) or not all(isinstance(one, Mapping) for one in start):
            return start
        return tuple({name: plain(value) for name, value in one.items()} for one in start)

    @field_validator("objective", mode="before")
    @classmethod
    def _objectives_are_several(cls, objective: Any) -> Any:
        return ((objective,) if objective else ()) if isinstance(objective, str) else objective

    @field_validator("reference", mode="before")
    @classmethod
    def _reference_is_text(cls, reference: Any) -> Any:
        return str(reference)

    @model_validator(mode="after")
    def _everything_fits_together(self) -> Study:
        if mistakes := mistakes_of_study(self):
            raise ValueError("\n".join(mistakes))
        return self

    def expand(self) -> list[Arm]:
        """The arms in order; a label is the value itself, or `name=value, ...` where several vary."""
        candidates: list[dict[str, Any]] = [{}]
        labelled: list[tuple[str, dict[str, Any]]]
        if self.nuisance and self.nuisance_samples and not self.sampler:
            candidates = quasi_random_points(self.nuisance, self.nuisance_samples)
        if self.search:
            labelled = [(BASELINE, {}), *self.arms.items()]
        else:
            labelled = [*self.arms.items()] or [(self._label(point), point) for point in self._points()]
        if self._tuned:
            return [
                Arm(label, overrides, [self._tuned[label]])
                for label, overrides in labelled
                if label in self._tuned
            ]
        return [
            Arm(label, overrides, candidates, self._lineages.get(label, ())) for label, overrides in labelled
        ]

    @property
    def searches(self) -> bool:
        """Whether a sampler suggests trials, of a search or in the arms."""
        return bool(self.search or (self.nuisance and self.sampler))

    def _points(self) -> list[dict[str, Any]]:
        """What `scientific` spans: the product of its grids, times the points drawn from its domains."""
        grids = {
            name: space["grid_search"] for name, space in self.scientific.items() if not is_domain(space)
        }
        domains = {name: space for name, space in self.scientific.items() if is_domain(space)}
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
    def labels(self) -> list[str]:
        """Those of all arms, in order; also of those that a search will find."""
        if not self.search:
            return [arm.label for arm in self.expand()]
        return [
            BASELINE,
            BEST,
            *(f"{nth}{_ENDINGS.get(nth, 'th')} best" for nth in range(2, self.finalists + 1)),
        ]

    def with_found(self, points: Sequence[tuple[Mapping[str, Any], Lineage]]) -> Study:
        """The same with arms for what its search found: the hyperparameters of each and how they change, the best ones
        first.
        """
        found = dict(zip(self.labels[1:], points, strict=False))
        study = self.model_copy(update={"arms": {label: values for label, (values, _) in found.items()}})
        study._lineages = {label: lineage for label, (_, lineage) in found.items()}
        return study

    def with_tuned(self, found: Mapping[str, Mapping[str, Any]], begun: Mapping[str, str]) -> Study:
        """The same with the arms of these labels, and the nuisance hyperparameters that were found for each; `begun`
        are, by arm, the keys of the trials that their searches began with.
        """
        tuned = self.model_copy()
        tuned._tuned, tuned._begun = dict(found), dict(begun)
        return tuned

    @property
    def begun(self) -> dict[str, str]:
        """Of a study with tuned arms, by arm the key of the trial that its search began with."""
        return self._begun

    @cached_property
    def space(self) -> Space:
        """Where it searches, itself or in its arms."""
        return Space(self.search or self.nuisance)

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
        for field in overrides.keys() & (own.keys() | (self.space.names if self.searches else set())):
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
            alone = mistakes_of_config(self.kind.Config, overrides)
            raise StudyError(*(said if said in alone else where + said for said in error.mistakes)) from None
        for metric in (self.selected_by if self.nuisance else "", *self.objective):
            if why := self.kind.unmeasured(config).get(metric):
                raise StudyError(f"{where}{why}")
        return config

    def held(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """`fixed` and these overrides with the values that the trials have, as JSON has them.

        What every arm sets otherwise holds nowhere and is left out.
        """
        given, found = {**self.fixed, **overrides}, dict[str, Any]()
        for arm in self.expand():
            own = {**arm.overrides, **arm.candidates[0]}
            if names := given.keys() - found.keys() - own.keys():
                values = self.config(arm, arm.candidates[0], overrides).model_dump(mode="json", include=names)
                found |= values
        return {name: found[name] for name in given if name in found}

    def data_settings(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters that choose the data, as they are with these overrides where no arm sets them itself."""
        found: dict[str, Any] = {}
        names = [name for name in names_of_data(self.kind) if name not in self.nuisance]
        for arm in self.expand():
            if new := {*names} - found.keys() - arm.overrides.keys():
                found |= self.config(arm, arm.candidates[0], overrides).model_dump(mode="json", include=new)
        return {name: found[name] for name in names if name in found}

    def called(self, name: str, question: str = "", source: str = "") -> Study:
        """The same study under this name (a study file's stem); `source` is how `study tune` is given it, if it is."""
        question = self.question or question
        return self.model_copy(update={"name": name, "question": question, "source": source})


_ENDINGS = {2: "nd", 3: "rd"}


def _claims_of_search(kind: type[Training], objective: Any) -> list[Claim]:
    """What is asked of a search that claims nothing: whether it found something better than the baseline."""
    found = [metric for metric in kind.metrics if objective in (metric.name, [metric.name], (metric.name,))]
    claim = {"higher": above, "lower": below}
    said = "The best point that was found is better than the baseline."
    return [claim[metric.better](metric.name, said, BEST, BASELINE) for metric in found]


def _with_list(space: Any) -> Any:
    """A grid with its values in a list, where they are a sequence of another kind: a range, an array."""
    if not isinstance(space, Mapping) or space.keys() != {"grid_search"}:
        return space
    values = plain_list(space["grid_search"])
    return space if values is None else {"grid_search": values}


def _with_margin(claim: Claim, kind: type[Training], published: Container[str]) -> Claim:
    """The claim with the usual margin where it needs one, gives none, and is about metrics in %."""
    about = [
        metric for metric in kind.metrics if metric.name in ([claim.metric] if claim.metric else published)
    ]
    units = {metric.unit for metric in about}
    if claim.kind in WITHIN_A_MARGIN and claim.margin is None and units == {"%"}:
        return claim.model_copy(update={"margin": USUAL_MARGIN})
    return claim
