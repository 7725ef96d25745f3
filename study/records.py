"""What the store's JSON files must say to be read. Fields that a later version adds are let pass."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from study.claims import Claim


class Record(BaseModel):
    """Read as it is: a number is not made of a text."""

    model_config = ConfigDict(extra="allow", strict=True)


class EpochRecord(Record):
    """What an epoch's end measured; accuracies in [0, 1]."""

    epoch: int
    test_loss: float
    test_accuracy: float
    test_top5: float
    validation_accuracy: float | None


class ConfigRecord(Record):
    """The hyperparameters by which results are sorted; the others come with them."""

    seed: int
    dataset: str
    precision: str
    epochs: int


class ProvenanceRecord(Record):
    """Where a result comes from; durations in seconds."""

    training_seconds: float
    images_per_second: float
    started: str
    device: str
    cpu: str
    torch: str
    ray: str
    python: str


class EndedRecord(Record):
    """trials/<key>/result.json, whatever the end was."""

    key: str
    config: ConfigRecord
    iterations: int
    parameters: int
    flops_per_image: int
    test_class_counts: list[int]
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


class CandidateRecord(Record):
    """A point of an arm's nuisance hyperparameters, and the key of each seed's trial."""

    overrides: dict[str, Any]
    keys: list[str]


class ArmRecord(Record):
    """An arm, with one candidate where nothing is tuned."""

    label: str
    overrides: dict[str, Any]
    candidates: list[CandidateRecord] = Field(min_length=1)


class StudyRecord(Record):
    """studies/<name>.json: everything that analysis needs to know of a study besides its trials."""

    name: str
    source: str
    title: str
    figure: int | None
    question: str
    varies: str
    reference: str
    seeds: int
    arms: list[ArmRecord] = Field(min_length=1)
    fixed: dict[str, Any]
    overrides: dict[str, Any]
    versions: dict[str, str]
    published: dict[str, dict[str, float]]
    claims: list[Claim]
