"""studies/<name>.json: what a study's record says, and what the one before it said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.declare.search_record import record_of_search
from study.declare.searches import in_arms
from study.declare.study import BASELINE, Study
from study.provenance import versions
from study.store.files import StorageError
from study.store.records import STUDY, Damaged, decoded, encoded
from study.store.trial_store import TrialStore, keys_of


def record_of(
    study: Study,
    planned: int | None,
    arms: list[dict[str, Any]],
    overrides: Mapping[str, Any],
    store: TrialStore,
) -> dict[str, Any]:
    """What analysis needs to know of a study. `planned` is how many seeds it plans, None where none."""
    kind, held, before = study.kind, study.held(overrides), recorded(store, study.name)
    reference = study.reference_arm()
    labels = {arm["label"] for arm in arms}  # a search has yet to find some of a study's
    seeds = max(len(candidate["keys"]) for arm in arms for candidate in arm["candidates"])
    return {
        "name": study.name,
        "source": study.source,
        "title": study.title,
        "figure": study.figure,
        "question": study.question,
        "varies": study.varies,
        "reference": reference if reference in labels else arms[0]["label"],
        "seeds": seeds,
        **_looks(before, seeds, planned, arms),
        "training": kind.called(),
        "continues": kind.continues,
        "counts": kind.counts,
        "metrics": [metric.model_dump(mode="json") for metric in kind.metrics],
        "watched": study.watched,
        "selected_by": study.selected_by,
        "arms": arms,
        "fixed": held,
        "overrides": {name: held[name] for name in overrides},
        "data": study.data_settings(overrides),
        "published_for": study.data_settings({}),
        "versions": versions(),
        "published": study.published,
        "claims": [claim.model_dump(mode="json") for claim in study.claims if labels >= {*claim.arms}],
        **_searches(study, arms, before),
    }


def _searches(study: Study, arms: list[dict[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
    """The study's search, or by arm those for its nuisance hyperparameters."""
    if not study.searches:
        return {}
    firsts = study.begun or {arm["label"]: arm["candidates"][0]["keys"][0] for arm in arms}
    if study.search:
        return {"search": record_of_search(study, firsts[BASELINE], before.get("search") or {})}
    known = before.get("tuning") or {}
    return {
        "tuning": {
            label: record_of_search(one, firsts[label], known.get(label) or {})
            for label, one in in_arms(study).items()
        }
    }


def _looks(
    before: dict[str, Any], seeds: int, planned: int | None, arms: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the record says of seeds: how many were planned before the first run, and with how many it has been run.

    A study of other trials is another one.
    """
    if not set(keys_of(before)) & set(keys_of({"arms": arms})):
        return {"planned_seeds": planned, "looked_at": [seeds]}
    # Records of study 0.1 tell the last number alone.
    return {
        "planned_seeds": planned if before.get("planned_seeds") == planned else None,
        "looked_at": sorted({seeds, *(before.get("looked_at") or [before["seeds"]])}),
    }


def recorded(store: TrialStore, name: str) -> dict[str, Any]:
    """The record of a study that was run before; one without arms where there is none that can be read."""
    try:
        return store.study(name)
    except (Damaged, StorageError):
        return {"arms": []}


def left_out(store: TrialStore, record: dict[str, Any]) -> int:
    """How many seeds of an arm, of those that the study was run with before, this record leaves out."""
    before = {arm["label"]: _keys(arm) for arm in recorded(store, record["name"])["arms"]}
    more = (
        before[arm["label"]] - _keys(arm)
        for arm in record["arms"]
        if before.get(arm["label"], set()) > _keys(arm)
    )
    return max(map(len, more), default=0)


def _keys(arm: dict[str, Any]) -> set[str]:
    return set(arm["candidates"][0]["keys"])


def unreadable(record: dict[str, Any]) -> str | None:
    """Why the record could not be read again: a title that is too long, say. Nothing is trained then."""
    try:
        decoded(encoded(record), STUDY, record["name"])
    except (Damaged, ValueError, TypeError) as why:
        return str(why)
    return None
