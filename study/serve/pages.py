"""What the pages show of a storage, as plain data for the templates."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from study.analysis import comparison, sections, shown
from study.lineage import told
from study.serve.following import Following, Snapshot
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import arms_of, keys_of
from study.terminal import plain, rough_duration

if TYPE_CHECKING:
    import pandas as pd

    from analysis.sections import Section

# Rows of a page's table of trials.
ROWS = 100
# Of an error's traceback so much is shown: its end, where the error stands.
MOST_ERROR = 20_000


def studies(
    following: Following, words: str = "", state: str = "", order: str = "name"
) -> list[dict[str, Any]]:
    """A row of each study whose name, title or question has all the words, and that is in this state.

    state: running, unfinished, finished, failed or undecided; order: name, changed, progress or left.
    """
    now = following.now
    rows = []
    for name, record in now.records.items():
        if name not in now.rows:
            continue
        row = now.rows[name]
        asked = " ".join((name, record["title"], record["question"])).lower()
        verdicts = _verdicts(following, name)
        if not all(word in asked for word in words.lower().split()) or not _is_in(state, row, verdicts):
            continue
        rows.append(
            {
                **row,
                "record": record,
                "diverged": int((following.results(name).trials.status == "diverged").sum()),
                "over": row["finished"] + row["stopped"],
                "left": time_left(following, name),
                "verdicts": verdicts,
                "changed": now.changed.get(name),
            }
        )
    keys: dict[str, Any] = {
        "name": lambda row: (row["record"]["figure"] or 10**6, row["study"]),
        "changed": lambda row: -(row["changed"] or datetime.fromtimestamp(0, UTC)).timestamp(),
        "progress": lambda row: -row["over"] / max(1, row["trials"]),
        "left": lambda row: -(row["left"] or 0.0),
    }
    return sorted(rows, key=keys.get(order, keys["name"]))


def _is_in(state: str, row: dict[str, Any], verdicts: Counter[str]) -> bool:
    fits: dict[str, bool] = {
        "running": row["running"] > 0,
        "unfinished": row["finished"] + row["stopped"] < row["trials"],
        "finished": row["finished"] + row["stopped"] == row["trials"],
        "failed": row["failed"] > 0,
        "undecided": verdicts["undecided"] > 0,
    }
    return fits.get(state, True)


def section(following: Following, name: str) -> Section:
    """What a report says of the study, made anew where something of it has changed."""
    return following.made(name, "section", lambda: sections.section(following.results(name), name))


def _verdicts(following: Following, name: str) -> Counter[str]:
    """How many of a study's claims have which verdict; none while no trial of it is finished."""
    found = section(following, name)
    return Counter(one.verdict for one in found.verdicts if found.shown is not None)


def time_left(following: Following, name: str) -> float | None:
    """Seconds until a study's trials are over at the pace of now; None where there is no telling.

    What runs goes on, and what waits takes as long as finished trials took, so many at once as run now.
    """
    row = following.now.rows[name]
    running = row["now"]
    if not running:
        return None
    lefts: list[float | None] = [trial["seconds_left"] for trial in running]
    waiting = row["begun"] + row["missing"]
    took = following.results(name).trials.training_seconds.dropna()
    typical = statistics.fmean(took) if len(took) else None
    known = [left for left in lefts if left is not None]
    if typical is None:
        if len(known) < len(running):
            return None
        typical = statistics.fmean(left + trial["since"] for left, trial in zip(known, running, strict=True))
    ahead = sum(known) + (len(running) - len(known)) * typical / 2 + waiting * typical
    return float(max([ahead / len(running), *known]))


def study(following: Following, name: str) -> dict[str, Any]:
    """What a study's page shows besides its figures."""
    results = following.results(name)
    return {
        "section": section(following, name),
        "row": following.now.rows[name],
        "left": time_left(following, name),
        "changed": following.now.changed.get(name),
        "problems": list(dict.fromkeys(map(plain, results.problems))),
    }


def trials(following: Following, name: str, arm: str = "", state: str = "", page: int = 1) -> dict[str, Any]:
    """A page of a study's trials: those of an arm, or in a state, where one is named."""
    now, results = following.now, following.results(name)
    every = results.every(name)
    every["status"] = [state_of(now, key, said) for key, said in zip(every.key, every.status, strict=True)]
    states = sorted(set(every.status))
    if arm:
        every = every[every.arm == arm]
    if state:
        every = every[every.status == state]
    pages = max(1, -(-len(every) // ROWS))
    page = min(max(1, page), pages)
    first = next(iter(results.metrics(name).values()))
    rows = []
    for trial in every.iloc[(page - 1) * ROWS : page * ROWS].to_dict("records"):
        value = trial.get(first.name)
        took = trial.get("training_seconds")
        rows.append(
            {
                **{part: trial[part] for part in ("arm", "tuned", "seed", "key", "status")},
                "value": "" if value is None or value != value else first.text(value),
                "took": "" if took is None or took != took else _duration(took),
            }
        )
    return {"rows": rows, "pages": pages, "page": page, "count": len(every), "states": states}


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else rough_duration(seconds)


def state_of(now: Snapshot, key: str, status: Any) -> str:
    """In which state a trial is, for people: what its result says, or how far it is without one."""
    if isinstance(status, str) and key not in now.running:
        return "stopped early" if status == "stopped" else status
    for said, keys in (
        ("running", now.running), ("failed", now.states.failed), ("interrupted", now.states.interrupted),
    ):  # fmt: skip
        if key in keys:
            return said
    return "result not read yet" if key in now.states.finished else "waiting"


def trial(following: Following, name: str, key: str) -> dict[str, Any]:
    """What a trial's page shows besides its curve. Raises KeyError where the study has no such trial."""
    now = following.now
    record = now.records[name]
    place = next((place for place in _places(record) if place["key"] == key), None)
    if place is None:
        raise KeyError(key)
    store, said = following.store, now.running.get(key)
    found: dict[str, Any] = {"result": None, "error": "", "problems": []}
    try:
        if key in now.states.finished:
            found["result"] = store.result(key)
        if key in now.states.failed:
            error = store.files.read(f"trials/{key}/error.txt") or b""
            found["error"] = plain(error[-MOST_ERROR:].decode(errors="replace"), keep="\n")
    except (Damaged, StorageError) as problem:
        found["problems"].append(plain(problem))
    result = found["result"]
    config = (result or said or {}).get("config", {**record["fixed"], **place["overrides"]})
    if result and result.get("lineage"):
        config = {**config, "lineage": told(result["lineage"])}
    return {
        **found,
        **place,
        "record": record,
        "running": next((one for one in now.rows[name]["now"] if one["key"] == key), None),
        "said": said,
        "state": state_of(now, key, result["status"] if result else None),
        "checkpoint": key in now.states.interrupted,
        "config": sorted(config.items()),
        "neighbours": _neighbours(record, place),
        "metrics": _metrics(following, name, result or said),
    }


def _places(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of each of a study's trials where it stands in it."""
    for at, arm in enumerate(arms_of(record)):
        for candidate in arm["candidates"]:
            for seed, key in enumerate(candidate["keys"]):
                yield {
                    "arm": arm["label"], "at": at, "seed": seed, "key": key,
                    "overrides": {**arm["overrides"], **candidate["overrides"]},
                }  # fmt: skip


def _neighbours(record: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    """The trials of the arms before and after with the same seed, and in what their hyperparameters differ."""
    ours, found = place["overrides"], []
    if place["at"] >= len(record["arms"]):  # the points of a search are in no order
        return []
    for at in (place["at"] - 1, place["at"] + 1):
        if not 0 <= at < len(record["arms"]):
            continue
        arm = record["arms"][at]
        candidate = arm["candidates"][0]
        theirs = {**arm["overrides"], **candidate["overrides"]}
        if place["seed"] < len(candidate["keys"]):
            differs = {name: (ours.get(name), theirs.get(name)) for name in sorted(ours.keys() | theirs.keys())
                       if ours.get(name) != theirs.get(name)}  # fmt: skip
            found.append({"arm": arm["label"], "key": candidate["keys"][place["seed"]], "differs": differs})
    return found


def _metrics(following: Following, name: str, said: dict[str, Any] | None) -> list[str]:
    """Each metric of a trial's result, or of what it says while it runs, as text."""
    metrics = following.results(name).metrics(name)
    values = (said or {}).get("metrics", {})
    return [metric.text(values[one]) for one, metric in metrics.items() if one in values]


def compared(
    names: Mapping[str, tuple[Following, str]], a: str, b: str
) -> tuple[pd.DataFrame | None, list[str]]:
    """Two of these studies side by side as text, and what is to be known of it; None where they share no arm."""
    (left, study_a), (right, study_b) = names[a], names[b]
    sides = comparison.side_by_side(left.results(study_a), study_a, right.results(study_b), study_b)
    if not len(sides):
        return None, []
    return shown.as_compared(sides, a, b), shown.about_compared(sides)


def trial_count(now: Snapshot) -> int:
    """How many trials the studies have together, those that several share counted once."""
    return len({key for record in now.records.values() for key in keys_of(record)})
