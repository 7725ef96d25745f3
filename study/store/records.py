"""What the store's JSON files must say to be read, and how they are written.

Each holds the number of its format and a checksum of the rest. Fields that a later version adds without
changing the format are let pass.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from study.declare.claims import Claim
from study.errors import StudyError
from study.metric import Metric
from study.store import format1
from study.store.cases import CasesRecord
from study.store.fields import (
    MOST_IN_SENTENCE,
    MOST_NUMBERS,
    Count,
    Label,
    Overrides,
    Record,
    Sentence,
    Values,
)

# Raised whenever an older version could misread what a newer one wrote.
FORMAT = 2

# A study's name is that of its files: what `study.plan` allows, and in bytes so short that the ending and
# what is added while a file is written still have room in the file's name.
STUDY_NAME = r"\w[\w .+-]{,99}"
MOST_NAME_BYTES = 200
# Characters of a record's own names in an error's message.
MOST_IN_MESSAGE = 100
# Commas and brackets that any record may have; a larger one has one in eight bytes at most.
MOST_SMALL_PARTS = 100_000


class Damaged(Exception):
    """A file of the store that is not what was written; the message names it."""


class NewerFormat(Damaged):
    """A file that a newer version wrote, which this one can't read."""


# After which tenth of the steps hyperparameters have other values, and these.
LineageRecord = list[tuple[Count, Overrides]]


class FileRecord(Record):
    """What every file says besides."""

    format: int
    sha256: str


class ContinuedRecord(Record):
    """At which step, when and where an attempt went on with a trial that was interrupted."""

    step: Count
    at: Label
    node: Label


class ProvenanceRecord(Record):
    """Where a result comes from; durations in seconds, `rate` in what the training counts a second.

    `continued` is absent where the trial was trained in one go.
    """

    training_seconds: float
    rate: float
    started: Label
    device: Label
    cpu: Label
    torch: Label
    ray: Label
    python: Label
    continued: list[ContinuedRecord] = Field([], max_length=MOST_NUMBERS)


class EndedRecord(FileRecord):
    """trials/<key>/result.json, whatever the end was.

    `data` is the fingerprint of what the trial was trained on; key, config, seed and data say what it is. `facts` are
    numbers about it that are no metrics.
    """

    key: str
    training: Label
    config: Overrides
    seed: Count
    data: Label
    steps: Count
    facts: Values
    provenance: ProvenanceRecord
    lineage: LineageRecord = Field([], max_length=10)


class FinishedRecord(EndedRecord):
    """Of a trial that was trained to its end.

    `metrics` is what each counts as, not scaled for a unit; `at` the step where that value was measured; `correct`
    which cases of its test set it answered right, by metric, absent where the training does not say.
    """

    status: Literal["finished"]
    metrics: Values = Field(min_length=1)
    at: Annotated[dict[Label, Count], Field(max_length=MOST_NUMBERS)]
    weights_sha256: str | None
    correct: dict[Label, CasesRecord] = Field({}, max_length=MOST_NUMBERS)


class DivergedRecord(EndedRecord):
    """Of a trial that diverged: what it measured before says nothing of it as a whole, nor do its last weights.

    `correct` is empty: its answers are not kept.
    """

    status: Literal["diverged"]
    weights_sha256: None
    correct: dict[Label, CasesRecord] = Field({}, max_length=0)


class StoppedRecord(FileRecord):
    """trials/<key>/stopped.json: at which of the steps a scheduler stopped the trial, by the value of which metric; or
    where a member of a population waits for the others, or has been replaced.

    `tenths`: what the metric counted as at the end of each tenth of the steps; None where it was not measured.
    """

    metric: Label
    step: Count
    steps: Count | None
    watched: float | None
    tenths: list[float | None] = Field([], max_length=10)
    ended: Label = ""


class CandidateRecord(Record):
    """A point of an arm's nuisance hyperparameters, and the key of each seed's trial."""

    overrides: Overrides
    keys: list[str] = Field(min_length=1)


class ArmRecord(Record):
    """An arm, with one candidate where nothing is tuned; `lineage`: how hyperparameters change meanwhile."""

    label: Label
    overrides: dict[str, Any]
    candidates: list[CandidateRecord] = Field(min_length=1)
    lineage: LineageRecord = Field([], max_length=10)


class DimensionRecord(Record):
    """One thing that a search chooses (study.declare.dimension), by its name in the space and the hyperparameter's.

    `choices` are texts, None for a number.
    """

    name: Label
    hyperparameter: Label
    low: float
    high: float
    whole: bool
    log: bool
    step: float | None
    choices: Annotated[list[Label], Field(min_length=1, max_length=MOST_NUMBERS)] | None

    @model_validator(mode="after")
    def _is_a_range(self) -> DimensionRecord:
        places = self.choices is None or (self.low == 0 and self.high == len(self.choices) - 1)
        steps = self.step is None or self.step > 0
        if not places or not steps or self.low > self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self.name} is no range")
        return self


class SuggestionRecord(Record):
    """What a search suggested: the point, by dimension; the hyperparameters that it stands for; the key of its trial,
    "" where they don't go together; and the numbers of the suggestions of which the sampler heard just before.

    Of a population: the trial from whose state it goes on, "" for none; with what that one began; and what changed
    since. `point` and `values` are the last ones.
    """

    point: Values
    values: Overrides
    key: str
    knew: list[Count]
    parent: str = ""
    begun: Overrides = Field({})
    lineage: LineageRecord = Field([], max_length=10)


class SearchRecord(Record):
    """Where a study searches, how, and what was suggested. `identity` tells it from another search: a larger budget
    goes on with the suggestions of a smaller one. `best` is the best so far, in words; `over` whether
    nothing more is suggested. `generations`: of a population, the keys of its members in each tenth of their steps.
    """

    identity: str
    sampler: Label
    objectives: Annotated[list[Label], Field(min_length=1, max_length=MOST_NUMBERS)]
    budget: Count
    finalists: Count
    space: Annotated[list[DimensionRecord], Field(min_length=1, max_length=MOST_NUMBERS)]
    best: Label
    over: bool
    suggestions: list[SuggestionRecord]
    generations: list[list[str]] = Field([], max_length=10)

    @model_validator(mode="after")
    def _suggestions_are_of_this_search(self) -> SearchRecord:
        space = {one.name: one for one in self.space}
        for number, one in enumerate(self.suggestions):
            chosen = [(space.get(name), at) for name, at in one.point.items()]
            within = all(each is not None and each.low <= at <= each.high for each, at in chosen)
            if not within or any(known >= number for known in one.knew):
                raise ValueError(f"suggestion {number} is none of this search")
        keys = {one.key for one in self.suggestions if one.key}
        members = {key for generation in self.generations for key in generation}
        parents = {one.parent for one in self.suggestions if one.parent}
        copies = all(bool(one.parent) == bool(one.lineage) for one in self.suggestions)
        if not members | parents <= keys or not copies or [] in self.generations:
            raise ValueError("its generations are none of what it suggested")
        return self


class StudyRecord(FileRecord):
    """studies/<name>.json: everything that analysis needs to know of a study besides its trials.

    The first of `metrics` is the one of tables; `watched` is followed while trials run, and `selected_by` selects
    among an arm's candidates ("" where nothing is tuned). `data` are the hyperparameters that choose the data, as
    they were in this run; `published_for` the same as the study declares them. `published` is in the metrics' units.
    `planned_seeds` is how many it planned before it was first run, None where none or others were; `looked_at` are the
    numbers of seeds with which it was run, ascending. `tuning` are, by arm, the searches for its nuisance
    hyperparameters.
    """

    name: str
    source: Label
    title: Label
    figure: Count | None
    question: Sentence
    varies: Label
    reference: Label
    seeds: Count
    planned_seeds: Count | None = None
    looked_at: Annotated[list[Count], Field(default_factory=list, max_length=MOST_NUMBERS)]
    training: Label
    continues: bool
    counts: Label
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=MOST_NUMBERS)]
    watched: Label
    selected_by: Label
    arms: list[ArmRecord] = Field(min_length=1)
    fixed: Overrides
    overrides: Overrides
    data: Overrides
    published_for: Overrides
    versions: dict[str, str]
    published: dict[str, dict[str, float]]
    claims: list[Claim]
    search: SearchRecord | None = None
    tuning: dict[Label, SearchRecord] = Field({}, max_length=MOST_NUMBERS)

    @model_validator(mode="after")
    def _arms_fit_together(self) -> StudyRecord:
        labels = [arm.label for arm in self.arms]
        if len(set(labels)) < len(labels):
            raise ValueError("an arm occurs twice")
        if self.reference not in labels:
            raise ValueError("the reference is no arm")
        if unknown := {label for claim in self.claims for label in claim.arms} - set(labels):
            raise ValueError(f"a claim is about what is no arm: {', '.join(sorted(unknown))}")
        metrics = {metric.name for metric in self.metrics}
        named = [self.watched, *filter(None, (self.selected_by, *(claim.metric for claim in self.claims)))]
        for search in (self.search, *self.tuning.values()):
            named += search.objectives if search else []
        named += [claim.minus for claim in self.claims if claim.minus]
        named += [metric.series for metric in self.metrics]
        named += [metric for values in self.published.values() for metric in values]
        if len(metrics) < len(self.metrics) or not set(named) <= metrics:
            raise ValueError("its metrics are not those that it names")
        if any(len(claim.sentence) > MOST_IN_SENTENCE for claim in self.claims):
            raise ValueError(f"a claim's sentence has more than {MOST_IN_SENTENCE:,} characters")
        return self


RESULT: TypeAdapter[Any] = TypeAdapter(
    Annotated[FinishedRecord | DivergedRecord, Field(discriminator="status")]
)
STUDY: TypeAdapter[Any] = TypeAdapter(StudyRecord)
STOPPED: TypeAdapter[Any] = TypeAdapter(StoppedRecord)


def allowed_names(found: Iterable[str], where: object) -> tuple[list[str], list[str]]:
    """Of the names of a storage's studies those that we give, and why each other one is left out.

    `where` is the storage, for what is said of it.
    """
    names, problems = [], []
    for name in found:
        if re.fullmatch(STUDY_NAME, name) and len(name.encode()) <= MOST_NAME_BYTES:
            names.append(name)
        else:
            problems.append(f"{where}/studies/{name}.json: is no name of a study")
    return names, problems


def encoded(value: dict[str, Any]) -> bytes:
    """The value as a file of the store, a line for each field. Raises ValueError where a number is not finite."""
    value = {"format": FORMAT, **value}
    # json's own indentation takes ten times as long, which a search with thousands of suggestions feels.
    fields = {**value, "sha256": _sha256(value)}.items()
    lines = [f"{json.dumps(name)}: {json.dumps(field, allow_nan=False)}" for name, field in fields]
    return ("{\n " + ",\n ".join(lines) + "\n}\n").encode()


def decoded(content: bytes | None, kind: TypeAdapter[Any], where: object) -> dict[str, Any]:
    """The value in a file of this kind; None is a missing file. Raises Damaged, naming `where`."""
    if content is None:
        raise Damaged(f"{where}: is missing")
    # Each of them becomes an object of some sixty bytes.
    if sum(map(content.count, (b"[", b"{", b","))) > max(MOST_SMALL_PARTS, len(content) // 8):
        raise Damaged(f"{where}: has more parts than a record of its size")
    try:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise Damaged(f"{where}: not a JSON object")
        said, is_so = value.pop("sha256", None), _sha256(value)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where}: not JSON: {error}") from None
    if said is None:
        raise Damaged(f"{where}: has no checksum, which study writes since before version 0.1")
    if said != is_so:
        raise Damaged(f"{where}: the checksum does not match")
    written = value.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise NewerFormat(f"{where}: was written by a newer version of study")
    try:
        if written == 1:
            value = format1.upgraded(content)
            content = json.dumps({**value, "sha256": ""}).encode()
        kind.validate_json(content)
    except StudyError as error:  # of a claim
        raise Damaged(f"{where}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place, said = ".".join(map(_shown, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise Damaged(f"{where}: {place}{': ' if place else ''}{said}") from None
    del value["format"]
    return dict(value)


def _shown(name: int | str) -> str:
    """A name from a record, which may be anything, for a message of one line."""
    text = str(name)
    return text if len(text) <= MOST_IN_MESSAGE and text.isprintable() else repr(text[:MOST_IN_MESSAGE])


def _sha256(value: dict[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
