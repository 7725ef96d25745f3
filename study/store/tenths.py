"""What a stored trial measured at the tenths of its steps, and when it ended."""

from __future__ import annotations

import numpy as np

from study.lineage import TENTHS, end_of
from study.metric import Metric
from study.store.records import Damaged
from study.store.trial_store import TrialStore


def ended_at(store: TrialStore, key: str) -> str:
    """When a trial was trained to its end or stopped, as an ISO time; empty where that can't be read."""
    try:
        said = store.result(key)["provenance"]["ended"] if store.has(key) else store.stopped(key).get("ended")
    except Damaged:
        return ""
    return str(said or "")


def stored_tenths(store: TrialStore, key: str, metric: Metric) -> list[float | None]:
    """What a metric counted as at the ends of the tenths that are done, None where it was not measured.

    Of a trial that was trained to its end or stopped; empty where it can't be read, or was stopped by another metric.
    """
    try:
        if not store.has(key):
            why = store.stopped(key)
            found: list[float | None] = why.get("tenths", []) if why["metric"] == metric.name else []
            return found
        curve = store.curve(key)
    except Damaged:
        return []
    values = curve[metric.series].to_numpy()
    known = np.array(curve[metric.series].is_valid())
    at = np.flatnonzero(known) + 1
    return [
        metric.value_of(values[known][at <= end_of(tenth, len(values))]) for tenth in range(1, TENTHS + 1)
    ]
