"""Arms compared in pairs, seed by seed: with a study's reference arm, and with another storage or study."""

from __future__ import annotations

import math

import pandas as pd

from study.metric import Metric

from . import tuning
from .intervals import of_differences, seeds_needed, sign_p
from .looks import SIGNIFICANCE, Looks
from .results import Results, looks_of, measured
from .statistics import holm, mean_of, minus, p_value, quiet

COLUMNS = ("pairs", "difference", "difference_low", "difference_high", "p", "seeds_from", "seeds_to")


@quiet
def from_reference(results: Results, study: str, of: Metric | None = None) -> pd.DataFrame:
    """A metric of each arm, by default the study's first, minus that of the reference arm; one row per arm, in order.

    Columns: arm; pairs (seeds that both have); difference (as the metric is shown: in points of one in %);
    difference_low and difference_high (its interval, as in `analysis.intervals`, which holds however often one looks
    unless the seeds were planned); p (paired t test, or sign test where the interval is by order, for as many looks);
    p_holm (corrected for the study's comparisons); seeds_from and seeds_to (how many in all would decide it, were it to
    stay, where it is undecided; infinite where that is more than 1,000). NaN for the reference itself, below 2 pairs,
    and where a seed diverged or was stopped early, since the others are no fair sample.
    """
    record, metric = results.studies[study], of or _first(results, study)
    by_arm = _by_arm(results, study, metric)
    reference, comparisons = by_arm[record["reference"]], max(1, len(by_arm) - 1)
    looks = looks_of(record)
    table = pd.DataFrame([_row(arm, reference, values, comparisons, looks) for arm, values in by_arm.items()])
    of_reference = table.arm == record["reference"]
    table.loc[of_reference, [name for name in COLUMNS if name != "pairs"]] = math.nan
    if every := results.choosing(study):
        for name in ("seeds_from", "seeds_to"):
            table[name] = [tuning.with_telling(int(n), every) if math.isfinite(n) else n for n in table[name]]
    return _corrected(table)


@quiet
def side_by_side(a: Results, study_a: str, b: Results, study_b: str) -> pd.DataFrame:
    """The arms that two storages' (or one storage's two) studies share, and B's first metric minus A's.

    Columns: arm; metric, title and unit (of the metric; the difference of one in % is in points); a and b (means),
    n_a and n_b, then those of `from_reference`, for any number of looks. p is corrected for the number of arms. No rows
    where the two studies share no arm, or where B does not measure A's first metric in the same unit.
    """
    metric = _first(a, study_a)
    if _told(metric) != _told(b.metrics(study_b).get(metric.name)):
        return pd.DataFrame()
    rows = []
    of_a, of_b = _by_arm(a, study_a, metric), _by_arm(b, study_b, metric)
    shared = [arm for arm in of_a if arm in of_b]
    for arm in shared:
        left = of_a[arm]
        means = mean_of(left), mean_of(of_b[arm])
        sides = {"a": means[0].mean, "n_a": means[0].n, "b": means[1].mean, "n_b": means[1].n}
        named = {"arm": arm, "metric": metric.name, "title": metric.title, "unit": metric.unit}
        rows.append({**named, **sides, **_row(arm, left, of_b[arm], len(shared), Looks())})
    return _corrected(pd.DataFrame(rows)) if rows else pd.DataFrame()


def _first(results: Results, study: str) -> Metric:
    return next(iter(results.metrics(study).values()))


def _told(metric: Metric | None) -> object:
    return metric and (metric.unit, metric.better)


def _by_arm(results: Results, study: str, metric: Metric) -> dict[str, pd.Series]:
    """The metric by seed as it is shown, for each arm; NaN for all of an arm where a seed diverged."""
    trials = results.comparable(study)
    values = (measured(trials, metric.name) * metric.scale).to_numpy(float)
    diverged, seeds = (trials.status == "diverged").to_numpy(), trials.seed.to_numpy()
    found = {}
    for arm, at in trials.groupby("arm", sort=False).indices.items():
        found[str(arm)] = pd.Series(math.nan if diverged[at].any() else values[at], seeds[at])
    return {str(arm): found[str(arm)] for arm in trials.arm.unique()}


def _row(arm: str, left: pd.Series, right: pd.Series, comparisons: int, looks: Looks) -> dict[str, object]:
    """right - left, over the seeds that both have."""
    both = pd.concat([left, right], axis=1, join="inner")
    differences = minus(both.iloc[:, 1], both.iloc[:, 0]).dropna()
    found = of_differences(differences, looks)
    distance, sd = abs(found.middle), float(differences.std(ddof=1))
    needed = seeds_needed(distance, sd, found.n, SIGNIFICANCE / comparisons) or (math.nan, math.nan)
    numbers = (
        found.n,
        found.middle,
        *((found.low, found.high) if math.isfinite(found.high) else (math.nan, math.nan)),
        looks.p(sign_p(differences) if found.by_order else p_value(differences), found.n),
        needed[0],
        math.inf if needed[1] is None else needed[1],
    )
    return {"arm": arm, **dict(zip(COLUMNS, numbers, strict=True))}


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With p_holm; the seeds to decide stay only where the corrected p leaves the difference undecided."""
    table.insert(list(table).index("p") + 1, "p_holm", holm(table.p))
    for name in ("seeds_from", "seeds_to"):
        table[name] = table[name].astype("float64").mask(table.p_holm < SIGNIFICANCE)
    return table
