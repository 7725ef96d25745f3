"""Records of format 1, which knew one training only, read as records of today's format.

The version before wrote them (study 0.1): accuracies and epochs of image classifications. Nothing here is written.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, TypeAdapter

from study.images.metrics import METRICS
from study.store.fields import Count, Label, Overrides, Record, Sentence

Share = Annotated[float, Field(ge=0, le=1)]
# How a trial's key named the training.
NAME = "Images"


class _Epoch(Record):
    epoch: Count
    test_loss: float
    test_accuracy: Share
    test_top5: Share
    validation_accuracy: Share | None


class _Config(Record):
    seed: Count
    dataset: Label
    precision: Label
    epochs: Count


class _Provenance(Record):
    training_seconds: float
    images_per_second: float


class _Result(Record):
    key: str
    status: Literal["finished", "diverged"]
    config: _Config
    iterations: Count
    parameters: Count
    flops_per_image: Count
    test_class_counts: list[Count]
    metrics: list[_Epoch]
    weights_sha256: str | None
    provenance: _Provenance


class _Claim(Record):
    kind: Literal[
        "increasing", "decreasing", "above", "below", "about_published", "equivalent", "collapsed",
        "higher_at_same_iteration", "slower_at_first", "less_stable", "saturated", "drops",
    ]  # fmt: skip
    sentence: Sentence
    metric: Literal["test_accuracy", "best_test_accuracy", "test_top5", "train_accuracy"]
    arms: list[str]
    margin: float = Field(ge=0)
    iterations: Annotated[int, Field(ge=1)] | None


class _Study(Record):
    arms: list[dict[str, Any]]
    fixed: Overrides
    overrides: Overrides
    claims: list[_Claim]


_RESULT, _STUDY = TypeAdapter(_Result), TypeAdapter(_Study)


def upgraded(content: bytes) -> dict[str, Any]:
    """A result or a study of format 1 as one of format 2. Raises pydantic's ValidationError where it is neither."""
    if b'"test_class_counts"' in content:
        return _upgraded_result(_RESULT.validate_json(content).model_dump())
    return _upgraded_study(_STUDY.validate_json(content).model_dump())


def _upgraded_result(old: dict[str, Any]) -> dict[str, Any]:
    config, epochs, images = dict(old["config"]), old["metrics"], sum(old["test_class_counts"])
    source = dict(old["provenance"])
    source["rate"] = source.pop("images_per_second")
    new = {
        "format": 2,
        "key": old["key"],
        "training": NAME,
        "seed": config.pop("seed"),
        "config": config,
        "data": "",
        "status": old["status"],
        "steps": old["iterations"],
        "facts": {name: old[name] for name in ("parameters", "flops_per_image")} | {"test_images": images},
        "weights_sha256": old["weights_sha256"],
        "provenance": source,
        "epochs": epochs,
    }
    if old["status"] == "finished" and epochs:
        last, best = epochs[-1], max(epochs, key=lambda epoch: epoch["test_accuracy"])
        measured = {name: value for name, value in last.items() if name != "epoch" and value is not None}
        # The right answers of a network that answers one class are that class's images.
        one_class = round(last["test_accuracy"] * images) in old["test_class_counts"]
        measured |= {"best_test_accuracy": best["test_accuracy"], "one_class": float(one_class)}
        new |= {
            "metrics": measured,
            "at": dict.fromkeys(measured, old["iterations"])
            | {"best_test_accuracy": _steps(old["iterations"], len(epochs), best["epoch"])},
        }
    return new


def _steps(iterations: int, epochs: int, epoch: int) -> int:
    """The steps that end with this epoch, for a training of so many."""
    return iterations // max(1, epochs) * epoch


def is_curve(table: pa.Table) -> bool:
    """Whether it is one of format 1."""
    return "iteration" in table.column_names


def upgraded_curve(table: pa.Table, result: dict[str, Any]) -> pa.Table:
    """A curve of format 1 with what its result, as `upgraded` gives it, says of each epoch.

    Raises KeyError where the two are of different formats.
    """
    rows, epochs = len(table), result["epochs"]
    columns = {"step": table["iteration"], **{name: table[name] for name in ("train_loss", "train_accuracy")}}
    in_order, from_the_end = np.unique(table["epoch"].to_numpy()[::-1], return_index=True)
    for name in ("test_accuracy", "test_top5", "test_loss", "validation_accuracy"):
        values, known = np.zeros(rows), np.zeros(rows, bool)
        for of_epoch in epochs:
            place = np.searchsorted(in_order, of_epoch["epoch"])
            if place < len(in_order) and in_order[place] == of_epoch["epoch"] and of_epoch[name] is not None:
                last_row = rows - 1 - from_the_end[place]
                values[last_row], known[last_row] = of_epoch[name], True
        if known.any():
            columns[name] = pa.array(values, mask=~known)
    return pa.table(columns)


def _upgraded_study(old: dict[str, Any]) -> dict[str, Any]:
    return {
        **old,
        "format": 2,
        "training": NAME,
        "continues": True,
        "counts": "images",
        "metrics": [metric.model_dump() for metric in METRICS],
        "watched": "train_accuracy",
        "selected_by": "validation_accuracy",
        "data": {"dataset": old["fixed"].get("dataset", "mnist")},
        "published_for": {"dataset": "mnist"},
        "claims": [_upgraded_claim(claim) for claim in old["claims"]],
    }


def _upgraded_claim(old: dict[str, Any]) -> dict[str, Any]:
    new = {name: old[name] for name in ("kind", "sentence", "metric", "arms", "margin")}
    if old["iterations"] is not None:
        new |= {"measure": "start", "steps": old["iterations"]}
    match old["kind"]:
        case "about_published":
            new["metric"] = ""
        case "collapsed":
            new |= {"kind": "happens", "metric": "one_class"}
        case "higher_at_same_iteration":
            new["kind"] = "above"
        case "slower_at_first":
            new["kind"] = "below"
        case "less_stable":
            new |= {"kind": "above", "measure": "roughness"}
        case "saturated":
            new["kind"] = "levels_off"
        case "drops":
            new |= {"level": 10.0, "margin": 5.0}
    return new
