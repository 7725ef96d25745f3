"""What a study's search tried, how the best came to be found, and what other seeds say of it.

The best of many scores is partly luck: of points that are equally good the luckiest has the best score. So a search
reports what its best points reach with seeds that took no part in it (Cawley and Talbot, On Over-fitting in Model
Selection, JMLR 2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from study.declare.dimension import Dimension
from study.lineage import told
from study.metric import Metric
from study.ranking import best
from study.store.fields import moment
from study.store.trial_store import searched_keys

from .comparison import from_reference
from .digits import digits_of
from .results import Results, measured
from .series import Values
from .statistics import mean_of, quiet


def searches(record: dict[str, Any]) -> bool:
    """Whether a study searches, from its record."""
    return bool(record.get("search"))


def objectives(results: Results, study: str) -> list[Metric]:
    """The metrics that the search goes by."""
    metrics = results.metrics(study)
    return [metrics[name] for name in results.studies[study]["search"]["objectives"]]


def points(results: Results, study: str) -> pd.DataFrame:
    """One row per trial of the search, in the order of their suggestions.

    Columns: number (of the suggestion, from 0), key, status ("" while it is not over), hours (from the start of the
    search's first trial to the end of this one), the objectives as they are shown (NaN where a trial did not finish),
    and `at.<dimension>`: what was chosen there, the text of a choice, None where the dimension does not apply.
    """
    search = results.studies[study]["search"]
    first = {one["key"]: number for number, one in reversed([*enumerate(search["suggestions"])])}
    keys = searched_keys(results.studies[study])
    found = results.trials.set_index("key").reindex(keys)
    started = np.array([math.nan if pd.isna(one) else moment(one) for one in found.started])
    ended = started + found.training_seconds.to_numpy(float)
    columns: dict[str, Any] = {
        "number": [first[key] for key in keys],
        "key": keys,
        "status": found.status.fillna("").tolist(),
        "hours": (ended - np.nanmin(started, initial=math.inf)) / 3600,
    }
    finished = (found.status == "finished").to_numpy(bool)
    for metric in objectives(results, study):
        values = (measured(found, metric.name) * metric.scale).to_numpy(float)
        columns[metric.name] = np.where(finished, values, math.nan)
    for one in search["space"]:
        chosen = [search["suggestions"][first[key]]["point"].get(one["name"]) for key in keys]
        columns[f"at.{one['name']}"] = pd.Series([_value(one, value) for value in chosen], dtype=object)
    return pd.DataFrame(columns)


def scores(results: Results, study: str) -> dict[str, tuple[float, ...]]:
    """By key, the objectives of each trial of the search that finished, in the order of suggestions, as shown."""
    table = points(results, study)
    values = table[[metric.name for metric in objectives(results, study)]]
    known = values.notna().all(axis=1).to_numpy()
    rows = zip(table.key[known], values[known].to_numpy(float), strict=True)
    return {str(key): tuple(map(float, row)) for key, row in rows}


def _value(dimension: dict[str, Any], chosen: Any) -> Any:
    if chosen is None:
        return None
    if dimension["choices"] is not None:
        places = range(len(dimension["choices"]))
        return dimension["choices"][int(chosen)] if int(chosen) in places else None
    return int(chosen) if dimension["whole"] else float(chosen)


def best_so_far(values: Values, sign: int) -> Values:
    """The best of the first 1, 2, ... of the values [n], NaN before there is one; sign is 1 where higher is better."""
    signed = np.where(np.isnan(values), -np.inf, sign * values)
    reached = np.maximum.accumulate(signed) if len(signed) else signed
    return np.where(np.isinf(reached), math.nan, sign * reached)


def of_random(results: Results, study: str) -> Values:
    """The median of the best so far over searches of the same space by random points; [n], empty where none was run."""
    search = results.studies[study]["search"]
    same = [
        name
        for name, record in results.studies.items()
        if name != study
        and searches(record)
        and record["search"]["sampler"] == "random"
        and all(record["search"][what] == search[what] for what in ("space", "objectives"))
        and all(record[what] == results.studies[study][what] for what in ("training", "fixed", "data"))
    ]
    metric = objectives(results, study)[0]
    lines = [best_so_far(points(results, name)[metric.name].to_numpy(float), metric.sign) for name in same]
    shortest = min(map(len, lines), default=0)
    return np.median([line[:shortest] for line in lines], axis=0) if shortest else np.empty(0)


@quiet
def honest(results: Results, study: str, metric: Metric) -> pd.DataFrame:
    """What became of the arms' scores in the search; one row per arm, the baseline first.

    Columns: arm; point (its hyperparameters); in_search (the metric with the search's seed); with_others and half_width
    (its mean with the other seeds, of its 95 % interval); n (those seeds); gain_in_search (from the baseline); gain
    with gain_low and gain_high (the paired difference from the baseline, as in `comparison.from_reference`); luck (what
    the gain in the search has more than that). NaN where it is not known; as the metric is shown.
    """
    record, trials = results.studies[study], results.trials.set_index("key")
    differences = from_reference(results, study, metric).set_index("arm")
    of_arms = results.comparable(study)
    rows = []
    for arm in record["arms"]:
        key = arm["candidates"][0]["keys"][0]
        status = trials.status.get(key)
        alone = measured(trials, metric.name).get(key) if status == "finished" else math.nan
        own = of_arms[of_arms.arm == arm["label"]]
        clean = mean_of(measured(own, metric.name) * metric.scale if (own.status != "diverged").all() else [])
        gain = differences.loc[arm["label"]]
        rows.append(
            {
                "arm": arm["label"],
                "point": "; ".join(filter(None, (_set(arm["overrides"]), told(arm.get("lineage", []))))),
                "in_search": math.nan if alone is None else float(alone) * metric.scale,
                "with_others": clean.mean,
                "half_width": clean.half_width,
                "n": clean.n,
                "gain": gain.difference,
                "gain_low": gain.difference_low,
                "gain_high": gain.difference_high,
            }
        )
    table = pd.DataFrame(rows)
    table["gain_in_search"] = table.in_search - table.in_search.iloc[0]
    table["luck"] = table.gain_in_search - table.gain
    table.loc[table.index[0], ["gain_in_search", "luck"]] = math.nan
    return table


def title_of(space: Sequence[dict[str, Any]], name: str) -> str:
    """A dimension's name with the choices on which it depends as they are written: `lr, optimizer=adam`."""
    choices = {one["name"]: one["choices"] for one in space}
    *within, last = name.split(".")
    found, before = [last], ""
    for part in within:
        one, _, place = part.rpartition("=")
        texts = choices.get(before + one) or []
        text = (texts[int(place)] if place.isdecimal() and int(place) < len(texts) else "") or part
        found.append(text if "=" in text else f"{one}={text}")
        before += f"{part}."
    return ", ".join(found)


def _set(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def edges(results: Results, study: str) -> dict[str, str]:
    """Of the best point, in which dimensions it lies at an end of the range, and at which: "lower" or "upper"."""
    search, signs = results.studies[study]["search"], [metric.sign for metric in objectives(results, study)]
    ends = {}
    for key in best(scores(results, study), signs, 1):
        point = next(one["point"] for one in search["suggestions"] if one["key"] == key)
        for fields in search["space"]:
            said = {name: value for name, value in fields.items() if name not in ("name", "hyperparameter")}
            if fields["name"] in point and (end := Dimension(**said).edge(point[fields["name"]])):
                ends[fields["name"]] = end
    return ends


def said(results: Results, study: str) -> Iterator[str]:
    """What a reader must know of the search, in sentences."""
    search, found = results.studies[study]["search"], points(results, study)
    counts = found.status.value_counts()
    if generations := search.get("generations"):
        copies = sum(bool(one.get("lineage")) for one in search["suggestions"])
        yield (
            f"{len(generations[0])} members were trained side by side (pbt), {len(generations)} of 10 tenths of their "
            f"steps; {copies} times a copy of a good one went on in the place of one that was worse, or that could not "
            "go on."
        )
    others = {"diverged": "diverged", "stopped": "were stopped early", "": "are not over"}
    less = " and ".join(f"{counts[status]} {what}" for status, what in others.items() if status in counts)
    tried = f"{len(found):,} of {search['budget']:,} trials were suggested by {search['sampler']}"
    if not generations:
        yield f"{tried}, of which {less}." if less else f"{tried}."
    for name, end in edges(results, study).items():
        title = title_of(search["space"], name)
        yield f"The best point lies at the {end} end of {title}: beyond it there may be better ones."
    for metric in objectives(results, study):
        yield from _told(honest(results, study, metric), metric)


def _told(table: pd.DataFrame, metric: Metric) -> Iterator[str]:
    if len(table) < 2 or math.isnan(table.gain.iloc[1]) or math.isnan(table.luck.iloc[1]):
        return
    one = table.iloc[1]
    unit = "points" if metric.unit == "%" else metric.unit
    digits = digits_of(unit, [one.gain, one.gain_in_search, one.luck], [(one.gain_high - one.gain_low) / 2])
    numbers = [f"{digits.text(value)} {unit}".rstrip() for value in (one.gain_in_search, one.gain, one.luck)]
    yield (
        f"In {metric.title} {one.arm} differed from {table.arm.iloc[0]} by {numbers[0]} in the search, and by "
        f"{numbers[1]} with the {one.n:.0f} seeds that took no part in it: {numbers[2]} were luck."
    )
