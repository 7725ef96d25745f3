"""A study's figures as plotly.js takes them: plain dicts with `data` and `layout`, for a page with JavaScript.

Colours of the page, fonts and sizes are left to it. Texts are escaped: what plotly.js takes for markup is none.
"""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.metric import Metric

from . import plotted
from .results import Results
from .series import by_trial

# Those of the figures on paper (study.mplstyle), but for its yellow, which a light ground hides, and its black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#B8A100", "#8C8C8C")
OF_SEEDS, OF_MEANS, OF_PUBLISHED = COLOURS[0], COLOURS[3], COLOURS[4]
# Arms that are drawn where none were chosen, and trials of each: more can't be told apart, and take time to read.
FIRST_ARMS, MOST_SEEDS = 12, 30
# Points of a line: a screen has not many more across.
MOST_POINTS = 400
# Single seeds are lines of their own, of which a page draws a hundred in a second or two.
MOST_LINES = 100

Plot = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What of a study's curves is shown, as the page's address says it.

    metric: by default the watched one; arms: by default the first FIRST_ARMS; seeds: a line for each seed too;
    smooth: moving averages where the metric is measured at most steps.
    """

    metric: str = ""
    arms: tuple[str, ...] = ()
    seeds: bool = False
    smooth: bool = True
    log_x: bool = False
    log_y: bool = False


def curves(results: Results, study: str, shown: Shown, running: Mapping[str, dict[str, Any]]) -> Plot:
    """A metric by step: a line and a band (lowest to highest) for each arm, dotted ones of trials that are running.

    `running` is what those say, by key (study.store.running_file).
    """
    trials = results.of(study)
    arms = [str(arm) for arm in trials.arm.unique()]
    chosen = [arm for arm in arms if arm in shown.arms] or arms[:FIRST_ARMS]
    trials = trials[trials.arm.isin(chosen)]
    trials = trials[trials.groupby("arm").cumcount() < MOST_SEEDS]
    found = plotted.curves(
        results, study, shown.metric, trials, shown.smooth, each=shown.seeds, points=MOST_POINTS
    )
    colours = dict(zip(arms, colours_of(len(arms)), strict=True))
    data: list[dict[str, Any]] = []
    for arm in found.table.arm.unique():
        of_arm = found.table[found.table.arm == arm]
        data += _band_and_line(arm, of_arm, colours[arm], found.metric)
    for (arm, seed), of_seed in found.lines.groupby(["arm", "seed"], sort=False):
        if len(data) < MOST_LINES:
            colour = colours[str(arm)]
            name = f"{arm}, seed {seed}"
            data.append(line(name, of_seed.x, of_seed.value, colour, found.metric, width=1, group=str(arm)))
    data += _of_running(trials, running, found.metric, found.relative, colours, {one["name"] for one in data})
    x = "% of its own training" if found.relative else "step"
    layout = {
        "xaxis": axis(x, "log" if shown.log_x else "linear"),
        "yaxis": axis(found.metric.title, "log" if shown.log_y else "linear"),
        "legend": {"title": {"text": text(results.studies[study]["varies"].replace("_", " "))}},
        "hovermode": "closest",
    }
    return {"data": data, "layout": layout, "notes": _about(found, arms, chosen, trials)}


def all_are_drawn(results: Results, study: str) -> bool:
    """Whether `curves` shows all arms and all seeds of a study, as its figure on paper does."""
    seeds = results.of(study).groupby("arm").size()
    return len(seeds) <= FIRST_ARMS and bool(seeds.max() <= MOST_SEEDS)


def _band_and_line(arm: str, shown: pd.DataFrame, colour: str, metric: Metric) -> list[dict[str, Any]]:
    mean = line(arm, shown.x, shown["mean"], colour, metric, width=2, group=arm)
    if shown["high"].equals(shown["low"]):
        return [mean]
    known = shown.dropna(subset=["low", "high"])
    band = {
        "type": "scatter", "mode": "lines", "x": numbers([*known.x, *known.x[::-1]]),
        "y": numbers([*known.high, *known.low[::-1]]), "fill": "toself", "fillcolor": colour, "opacity": 0.2,
        "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": text(arm), "name": text(arm),
    }  # fmt: skip
    return [band, mean]


def line(
    name: str, x: Any, y: Any, colour: str, metric: Metric, width: float, group: str, dash: str = "solid",
    in_legend: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A line in a group of the legend, in which one line has its name; a dot where it has one point."""
    unit = f" {text(metric.unit)}" if metric.unit else ""
    return {
        "type": "scatter", "mode": "lines" if len(x) > 1 else "markers", "name": text(name), "x": numbers(x),
        "y": numbers(y), "line": {"color": colour, "width": width, "dash": dash}, "marker": {"color": colour},
        "legendgroup": text(group), "showlegend": in_legend or name == group,
        "hovertemplate": f"{text(name)}<br>%{{x}}: %{{y}}{unit}<extra></extra>",
    }  # fmt: skip


def _of_running(
    trials: pd.DataFrame, running: Mapping[str, dict[str, Any]], metric: Metric, relative: bool,
    colours: Mapping[str, str], drawn: set[str],
) -> list[dict[str, Any]]:  # fmt: skip
    lines = []
    for arm, seed, key in zip(trials.arm, trials.seed, trials.key, strict=True):
        said = running.get(key)
        series = said["series"].get(metric.series) if said else None
        if not said or not series or (relative and not said["steps"]):
            continue
        x = np.asarray(series["steps"], float)
        if relative:
            x = 100 * x / said["steps"]
        y = np.asarray(series["values"], float) * metric.scale
        name = f"{arm}, seed {seed} (running)"
        in_legend = text(arm) not in drawn
        lines.append(line(name, x, y, colours[arm], metric, 1.5, str(arm), "dot", in_legend))
    return lines


def _about(found: plotted.Curves, arms: list[str], chosen: list[str], trials: pd.DataFrame) -> list[str]:
    notes = []
    if found.is_smoothed:
        over = "3 % of the curve" if found.window is None else f"{found.window} steps"
        notes.append(f"Lines are moving averages over {over}.")
    if found.seeds > 1:
        notes.append(f"Line: mean over seeds; band: lowest to highest of {found.seeds} seeds.")
    if len(chosen) < len(arms):
        notes.append(f"Shown are {len(chosen)} of {len(arms)} arms.")
    if len(trials) and trials.groupby("arm").size().max() == MOST_SEEDS:
        notes.append(f"Of each arm {MOST_SEEDS} seeds are drawn.")
    return notes


def of_trial(results: Results, study: str, key: str, metric: str, said: Mapping[str, Any] | None) -> Plot:
    """A metric of one trial by step, as it was measured; of one that is running as far as it says."""
    metrics = results.metrics(study)
    shown = metrics.get(metric) or metrics[results.studies[study]["watched"]]
    if said:
        series = said["series"].get(shown.series, {"steps": [], "values": []})
        x, y = np.asarray(series["steps"], float), np.asarray(series["values"], float)
    else:
        every = results.curves([key] if key in set(results.trials.key) else [], [shown.name])
        one = by_trial(every, shown.series).get(key) if len(every) else None
        steps, values = one or (np.empty(0), np.empty(0))
        x, y = steps.astype(float), values
    kept = plotted.evenly(len(x), plotted.MOST_POINTS)
    raw = line(shown.title, x[kept], y[kept] * shown.scale, COLOURS[0], shown, 1.5, shown.title)
    layout = {"xaxis": axis("step"), "yaxis": axis(shown.title), "showlegend": False}
    return {"data": [raw], "layout": layout, "notes": []}


def effects(results: Results, study: str) -> Plot:
    """The study's first metric by arm: a dot for each seed, the mean with its 95 % interval, the published value."""
    shown = plotted.effects(results, study)
    metric = next(iter(results.metrics(study).values()))
    names = [text(arm) for arm in shown.arm]
    each = [(name, value) for name, seeds in zip(names, shown.seeds, strict=True) for value in seeds]
    data: list[dict[str, Any]] = [
        dots(
            "seeds", [name for name, _ in each], numbers([value for _, value in each]),
            {"opacity": 0.5, "size": 6, "color": OF_SEEDS},
        ),
        {
            **dots(
                "mean, 95 % interval", names, numbers(shown["mean"]),
                {"size": 10, "symbol": "line-ew-open", "color": OF_MEANS},
            ),
            "error_y": {"type": "data", "array": numbers(shown.half_width.fillna(0)), "thickness": 1.5},
        },
    ]  # fmt: skip
    if shown.published.notna().any():
        marker = {"symbol": "diamond-open", "size": 9, "color": OF_PUBLISHED}
        data.append(dots("published", names, numbers(shown.published), marker))
    of_arms = axis(results.studies[study]["varies"].replace("_", " "), "category")
    layout = {"xaxis": {**of_arms, "categoryarray": names}, "yaxis": axis(metric.title)}
    return {"data": data, "layout": layout, "notes": []}


def plotly_js() -> Path | None:
    """plotly.js as its Python package ships it, of which nothing else is used; None where that is not installed."""
    package = importlib.util.find_spec("plotly")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


def colours_of(n: int) -> list[str]:
    """A colour for each of n arms: told apart where they are few, else over a scale in their order."""
    if n <= len(COLOURS):
        return list(COLOURS[:n])
    return [viridis(place / (n - 1)) for place in range(n)]


def viridis(share: float) -> str:
    """The colour at this share of the scale of figures with many arms."""
    from .own_matplotlib import colormaps, to_hex  # which takes a second, and few arms need none

    return to_hex(colormaps["viridis"](share))


def over_time(name: str, moments: list[str], values: list[float], place: int) -> dict[str, Any]:
    """A line over moments, as ISO 8601 has them, in the colour of this place."""
    return {
        "type": "scatter", "mode": "lines", "name": text(name), "x": moments, "y": values,
        "line": {"color": COLOURS[place % len(COLOURS)], "width": 1.5},
    }  # fmt: skip


def dots(name: str, x: list[Any], y: list[Any], marker: dict[str, Any]) -> dict[str, Any]:
    """Dots without lines; `marker` as plotly.js has it."""
    return {"type": "scatter", "mode": "markers", "name": text(name), "x": x, "y": y, "marker": marker}


def axis(title: str, kind: str = "linear") -> dict[str, Any]:
    """An axis of this kind (linear, log or category)."""
    return {"title": {"text": text(title)}, "type": kind, "automargin": True}


def numbers(values: Any) -> list[float | None]:
    """Six digits of each, None for what JSON has no number for."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in np.asarray(values, float)]


def text(shown: object) -> str:
    """Text without what plotly.js takes for markup."""
    return html.escape(str(shown), quote=False)
