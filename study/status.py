"""How far the studies of a storage are, and what is trained right now. It needs neither torch, Ray nor pandas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from study.metric import Metric
from study.store import running_file
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import States, TrialStore, arms_of, keys_of, searched_keys, searches_of


def statuses(store: TrialStore, studies: Iterable[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each study, and what can't be read.

    Of its trials so many are finished, stopped, running, begun (and not running), failed and missing; `best` is what a
    search has found so far, in words; `now` has a row for each trial that is running, as `_now` gives it.
    """
    states = store.states()
    problems, records = [], {}
    for name in studies:
        try:
            records[name] = store.study(name)
        except (Damaged, StorageError) as problem:
            problems.append(str(problem))
    asked = states.running & {key for record in records.values() for key in keys_of(record)}
    running, unread = running_file.running(store, sorted(asked))
    return rows_of(records, states, running), [*problems, *unread]


def rows_of(
    records: Mapping[str, dict[str, Any]], states: States, running: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of `statuses`, of studies' records by name and what the running trials say by key."""
    rows = []
    for name, record in records.items():
        keys = set(keys_of(record))
        counts = {
            "finished": len(keys & states.finished),
            "stopped": len(keys & states.stopped - running.keys()),
            "running": len(keys & running.keys()),
            "begun": len(keys & states.interrupted - states.failed - running.keys()),
            "failed": len(keys & states.failed - running.keys()),
        }
        now = [*_now(record, running)]
        trials = len(keys) + _unsuggested(record)
        rows.append(
            {
                "study": name,
                "trials": trials,
                **counts,
                "missing": trials - sum(counts.values()),
                **_best(record),
                "now": now,
            }
        )
    return rows


def _unsuggested(record: dict[str, Any]) -> int:
    """How many trials its searches may still suggest."""
    return sum(
        max(0, int(search["budget"]) - len(searched_keys({"search": search})))
        for search in searches_of(record).values()
        if not search["over"]
    )


def _best(record: dict[str, Any]) -> dict[str, str]:
    """The best that its searches have found so far, where it has any."""
    searches = searches_of(record)
    found = [
        f"{label}: {one['best']}" if label else one["best"] for label, one in searches.items() if one["best"]
    ]
    return {"best": ", ".join(found)} if searches else {}


def _now(record: dict[str, Any], running: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of each running trial of a study: arm, seed, key, step, steps, percent, the newest value of the watched metric
    as a text, rate, what it counts, seconds_left (None where it is not known), node, device, and for how many seconds
    it has been trained in this attempt (since).
    """
    watched = next(
        one for one in map(Metric.model_validate, record["metrics"]) if one.name == record["watched"]
    )
    for arm in arms_of(record):
        for candidate in arm["candidates"]:
            for seed, key in enumerate(candidate["keys"]):
                if key not in running:
                    continue
                said = running[key]
                values = said["series"].get(watched.series, {"values": []})["values"]
                age, since = (_seconds_since(said[name]) for name in ("updated", "started"))
                left = None
                if said["steps"] and said["step"]:
                    left = said["seconds"] / said["step"] * (said["steps"] - said["step"]) - age
                yield {
                    "arm": arm["label"],
                    **({"tuned": candidate["overrides"]} if candidate["overrides"] else {}),
                    "seed": seed,
                    "key": key,
                    "step": said["step"],
                    "steps": said["steps"],
                    "percent": round(said["percent"], 1),
                    "newest": watched.text(values[-1]) if values else "",
                    "rate": round(said["rate"], 1),
                    "counts": said["counts"],
                    "seconds_left": None if left is None else round(max(left, 0.0), 1),
                    "node": said["node"],
                    "device": said["device"],
                    "since": round(since, 1),
                }


def _seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
