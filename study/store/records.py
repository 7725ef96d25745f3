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

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from study.declare.claims import Claim
from study.errors import StudyError

# Raised whenever an older version could misread what a newer one wrote.
FORMAT = 1

# A count that analysis can compute with, and a share.
Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]
# A label, a title, a name; and a sentence. Tables and figures of longer ones would fill the memory.
MOST_IN_SENTENCE = 10_000
Label = Annotated[str, Field(max_length=1000)]
Sentence = Annotated[str, Field(max_length=MOST_IN_SENTENCE)]
# A study's name is that of its files: what `study.plan` allows, and in bytes so short that `-effect.svg` and
# what is added while a file is written still have room in the file's name.
STUDY_NAME = r"\w[\w .+-]{,99}"
MOST_NAME_BYTES = 200
# Commas and brackets that any record may have; a larger one has one in sixteen bytes at most.
MOST_SMALL_PARTS = 100_000


class Damaged(Exception):
    """A file of the store that is not what was written; the message names it."""


class NewerFormat(Damaged):
    """A file that a newer version wrote, which this one can't read."""


class Record(BaseModel):
    """Read as it is: a number is not made of a text."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class FileRecord(Record):
    """What every file says besides."""

    format: int
    sha256: str


class EpochRecord(Record):
    """What an epoch's end measured; accuracies in [0, 1]."""

    epoch: Count
    test_loss: float
    test_accuracy: Share
    test_top5: Share
    validation_accuracy: Share | None


class ConfigRecord(Record):
    """The hyperparameters by which results are sorted; the others come with them."""

    seed: Count
    dataset: Label
    precision: Label
    epochs: Count


class ProvenanceRecord(Record):
    """Where a result comes from; durations in seconds."""

    training_seconds: float
    images_per_second: float
    started: Label
    device: Label
    cpu: Label
    torch: Label
    ray: Label
    python: Label


class EndedRecord(FileRecord):
    """trials/<key>/result.json, whatever the end was."""

    key: str
    config: ConfigRecord
    iterations: Count
    parameters: Count
    flops_per_image: Count
    test_class_counts: list[Count]
    provenance: ProvenanceRecord


class FinishedRecord(EndedRecord):
    """Of a trial that was trained to its end."""

    status: Literal["finished"]
    metrics: list[EpochRecord] = Field(min_length=1)
    weights_sha256: str


class DivergedRecord(EndedRecord):
    """Of a trial that diverged: no epoch need have ended, and the last weights say nothing."""

    status: Literal["diverged"]
    metrics: list[EpochRecord]
    weights_sha256: None


def _not_long(overrides: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(overrides)) > MOST_IN_SENTENCE:
        raise ValueError(f"has more than {MOST_IN_SENTENCE:,} characters")
    return overrides


# Hyperparameters that tables and the report show.
Overrides = Annotated[dict[str, Any], AfterValidator(_not_long)]


class CandidateRecord(Record):
    """A point of an arm's nuisance hyperparameters, and the key of each seed's trial."""

    overrides: Overrides
    keys: list[str] = Field(min_length=1)


class ArmRecord(Record):
    """An arm, with one candidate where nothing is tuned."""

    label: Label
    overrides: dict[str, Any]
    candidates: list[CandidateRecord] = Field(min_length=1)


class StudyRecord(FileRecord):
    """studies/<name>.json: everything that analysis needs to know of a study besides its trials."""

    name: str
    source: Label
    title: Label
    figure: Count | None
    question: Sentence
    varies: Label
    reference: Label
    seeds: Count
    arms: list[ArmRecord] = Field(min_length=1)
    fixed: Overrides
    overrides: Overrides
    versions: dict[str, str]
    published: dict[str, dict[str, float]]
    claims: list[Claim]

    @model_validator(mode="after")
    def _arms_fit_together(self) -> StudyRecord:
        labels = [arm.label for arm in self.arms]
        if len(set(labels)) < len(labels):
            raise ValueError("an arm occurs twice")
        if self.reference not in labels:
            raise ValueError("the reference is no arm")
        if unknown := {label for claim in self.claims for label in claim.arms} - set(labels):
            raise ValueError(f"a claim is about what is no arm: {', '.join(sorted(unknown))}")
        if any(len(claim.sentence) > MOST_IN_SENTENCE for claim in self.claims):
            raise ValueError(f"a claim's sentence has more than {MOST_IN_SENTENCE:,} characters")
        return self


RESULT: TypeAdapter[Any] = TypeAdapter(
    Annotated[FinishedRecord | DivergedRecord, Field(discriminator="status")]
)
STUDY: TypeAdapter[Any] = TypeAdapter(StudyRecord)


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
    """The value as a file of the store. Raises ValueError where a number is not finite."""
    value = {"format": FORMAT, **value}
    return (json.dumps({**value, "sha256": _sha256(value)}, indent=1, allow_nan=False) + "\n").encode()


def decoded(content: bytes | None, kind: TypeAdapter[Any], where: object) -> dict[str, Any]:
    """The value in a file of this kind; None is a missing file. Raises Damaged, naming `where`."""
    if content is None:
        raise Damaged(f"{where}: is missing")
    # Each of them becomes an object of some sixty bytes.
    if sum(map(content.count, (b"[", b"{", b","))) > max(MOST_SMALL_PARTS, len(content) // 16):
        raise Damaged(f"{where}: has more parts than a record of its size")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Damaged(f"{where}: not a JSON object")
    if value.pop("sha256", None) != _sha256(value):
        raise Damaged(f"{where}: the checksum does not match")
    written = value.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise NewerFormat(f"{where}: was written by a newer version of study")
    try:
        kind.validate_json(content)
    except StudyError as error:  # of a claim
        raise Damaged(f"{where}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Damaged(f"{where}: {place}{': ' if place else ''}{first['msg']}") from None
    del value["format"]
    return value


def _sha256(value: dict[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
