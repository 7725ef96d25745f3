"""What a study's figures show, as DataFrames; `figures` draws them. Values are in the unit in which they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.metric import Metric

from .results import ENDED, Results, measured
from .series import Series, by_trial, smoothed, smoothing_window
from .statistics import mean_of

# The arms of a figure. More can't be read on so little paper, and matplotlib would take minutes for thousands.
MOST_ARMS = 100
# Points of a line: what is left out lies closer than a printer's dots.
MOST_POINTS = 2000
COLUMNS = ["arm", "x", "mean", "low", "high", "raw"]
OF_SEEDS = ["arm", "seed", "x", "value"]


@dataclass(frozen=True)
class Curves:
    """The curves of one metric of a study, arms in order.

    table: columns arm, x, mean, low, high (of the seeds' values: mean, lowest and highest), raw (the first seed's
        unsmoothed value). At most MOST_POINTS rows per arm.
    lines: columns arm, seed, x, value: the line of each seed, where they were asked for.
    relative: whether the arms' trainings differ in steps; x is then the share of each trial's own training in %,
        else the step.
    sparse: whether the metric is measured at less than half of the steps. If not, values are moving averages.
    window: how many values each average is over, or None where this differs.
    seeds: the most seeds of an arm.
    """

    metric: Metric
    table: pd.DataFrame
    lines: pd.DataFrame
    relative: bool
    sparse: bool
    window: int | None
    seeds: int

    @property
    def is_smoothed(self) -> bool:
        """Whether lines are averages over several steps."""
        return not self.sparse and self.window != 1


@np.errstate(over="ignore", invalid="ignore")
def curves(
    results: Results,
    study: str,
    metric: str = "",
    trials: pd.DataFrame | None = None,
    smooth: bool = True,
    each: bool = False,
    points: int = MOST_POINTS,
) -> Curves:
    """A metric, by default the watched one, of the study's trials that ended by themselves.

    `trials` are those of `Results.of` that are shown, by default those of the first MOST_ARMS arms. Lines are not
    smoothed where `smooth` is false, and have at most so many points; `each` asks for those of each seed too.
    """
    shown = results.metrics(study)[metric or results.studies[study]["watched"]]
    trials = _of_first_arms(results.of(study)) if trials is None else trials
    trials = trials[trials.status.isin(ENDED)]
    every = results.curves(trials.key, [shown.name])
    found = by_trial(every, shown.series) if len(every) else {}
    trials = trials[trials.key.isin(found.keys())]
    finished = trials[trials.status == "finished"]
    sparse = 2 * sum(len(one.steps) for one in found.values()) < len(every)
    relative = len(set(finished.steps)) > 1
    tables, lines = [], []
    for arm, of_arm in trials.groupby("arm", sort=False):
        # A diverged trial would have had as many steps as the arm's others.
        whole = (
            finished.steps[finished.arm == arm].max() if (finished.arm == arm).any() else of_arm.steps.max()
        )
        lengths = of_arm.steps.where(of_arm.status == "finished", whole).clip(lower=1)
        seeds = [found[key] for key in of_arm.key]
        of_seeds, raw = _of_arm(seeds, lengths if relative else None, not sparse and smooth)
        of_seeds, raw = of_seeds * shown.scale, raw * shown.scale
        kept = of_seeds.index[evenly(len(of_seeds), points)]
        tables.append(_over_seeds(of_seeds, raw).loc[kept].reset_index(names="x").assign(arm=arm))
        if each:
            drawn = of_seeds.loc[kept].set_axis(of_arm.seed, axis=1).rename_axis("x")
            lines.append(
                drawn.melt(var_name="seed", ignore_index=False).dropna().reset_index().assign(arm=arm)
            )
    windows = {smoothing_window(len(found[key].values)) for key in finished.key}
    return Curves(
        shown,
        pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS),
        pd.concat(lines, ignore_index=True)[OF_SEEDS] if lines else pd.DataFrame(columns=OF_SEEDS),
        relative,
        sparse,
        (windows.pop() if len(windows) == 1 else None) if smooth else 1,
        int(trials.groupby("arm").size().max()) if len(trials) else 0,
    )


def _of_arm(
    seeds: list[Series], lengths: Iterable[int] | None, smooth: bool
) -> tuple[pd.DataFrame, pd.Series]:
    """The line of each seed of an arm, a column each, and the unsmoothed one of the first, by x.

    With `lengths`, the steps of each trial's whole training, x is a share of it in %.
    """
    raw = [pd.Series(one.values, one.steps) for one in seeds]
    lines = [pd.Series(smoothed(one.values), one.steps) for one in seeds] if smooth else [*raw]
    if lengths is not None:
        shares = [100.0 * one.steps / length for one, length in zip(seeds, lengths, strict=True)]
        grid = max(shares, key=len)
        lines = [_at(grid, share, line.to_numpy()) for share, line in zip(shares, lines, strict=True)]
        raw[0] = _at(grid, shares[0], raw[0].to_numpy())
    # By step: a diverged trial's series is shorter.
    table = pd.concat([line[~line.index.duplicated()] for line in lines], axis=1).sort_index()
    return table, raw[0][~raw[0].index.duplicated()].reindex(table.index)


def _over_seeds(lines: pd.DataFrame, raw: pd.Series) -> pd.DataFrame:
    """Columns mean, low, high, raw."""
    over = {"mean": lines.mean(axis=1), "low": lines.min(axis=1), "high": lines.max(axis=1), "raw": raw}
    return pd.DataFrame(over)


def evenly(n: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of the places 0 to n - 1, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _at(grid: npt.NDArray[Any], x: npt.NDArray[Any], values: npt.NDArray[Any]) -> pd.Series:
    """The line of these points at the places of the grid that it reaches."""
    within = grid[(grid >= x[0]) & (grid <= x[-1])]
    return pd.Series(np.interp(within, x, values), within)


def effects(results: Results, study: str) -> pd.DataFrame:
    """The study's first metric by arm, arms in order.

    Columns: arm, seeds (an array of each seed's value), mean, half_width (of the 95 % interval), published (NaN where
    there is none).
    """
    metric, published = next(iter(results.metrics(study).values())), results.studies[study]["published"]
    trials = _of_first_arms(results.comparable(study))
    values = measured(trials, metric.name) * metric.scale
    rows = []
    for arm, of_arm in values.groupby(trials.arm, sort=False):
        mean = mean_of(of_arm)
        rows.append(
            {
                "arm": str(arm),
                "seeds": of_arm.dropna().to_numpy(float),
                "mean": mean.mean,
                "half_width": mean.half_width,
                "published": published.get(arm, {}).get(metric.name, float("nan")),
            }
        )
    return pd.DataFrame(rows)


def _of_first_arms(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials.arm.isin(trials.arm.unique()[:MOST_ARMS])]
