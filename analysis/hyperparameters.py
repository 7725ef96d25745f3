"""A metric against the hyperparameters in which a study's trials differ, as plotly.js takes it (interactive.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.metric import Metric

from .interactive import COLOURS, OF_MEANS, Plot, axis, dots, numbers, text, viridis
from .results import ENDED, Results, measured
from .statistics import half_widths

# From one end of a hyperparameter's values to the other: a factor of so much is shown on a logarithmic axis.
WIDE = 50.0
# More distinct values of two hyperparameters are dots in their colours, not a table of means.
MOST_IN_TABLE = 20
# Lines of a figure with an axis for each hyperparameter, and their colours.
MOST_LINES, SHADES = 3000, 12
SCALE = "Viridis"


def varied(results: Results, study: str) -> dict[str, pd.Series]:
    """The hyperparameters in which the study's trials differ, by name; their values are in the order of `of`."""
    trials = _every(results, study)
    names = [name for name in map(str, trials) if name.startswith("config.")]
    return {
        name.removeprefix("config."): trials[name]
        for name in names
        if len(set(trials[name].dropna().map(str))) > 1
    }


def against(results: Results, study: str, metric: str, first: str, second: str = "") -> Plot:
    """A metric against one hyperparameter, averaged over all else; or against two, in colours."""
    by = varied(results, study)
    shown = results.metrics(study)[metric]
    trials = _every(results, study)
    values = measured(trials, metric) * shown.scale
    known = values.notna() & by[first].notna()
    if not second:
        return _against_one(first, by[first][known], values[known], shown)
    known &= by[second].notna()
    x, y, values = by[first][known], by[second][known], values[known]
    layout = {"xaxis": axis(first, _kind(x)), "yaxis": axis(second, _kind(y))}
    bar = {"title": {"text": text(shown.title), "side": "right"}}
    if max(x.nunique(), y.nunique()) > MOST_IN_TABLE:
        marker = {
            "color": numbers(values), "colorscale": SCALE, "showscale": True, "size": 9, "colorbar": bar,
        }  # fmt: skip
        data = [{**dots(shown.title, _values(x), _values(y), marker), "text": numbers(values)}]
        return {"data": data, "layout": layout, "notes": []}
    rows: list[str] = sorted(_names(y).unique(), key=_in_order)
    columns: list[str] = sorted(_names(x).unique(), key=_in_order)
    means = pd.crosstab(_names(y), _names(x), values, aggfunc="mean").reindex(index=rows, columns=columns)
    heat = {
        "type": "heatmap", "x": [text(one) for one in columns], "y": [text(one) for one in rows],
        "z": [numbers(row) for row in means.to_numpy(float)], "colorscale": SCALE, "colorbar": bar,
        "hovertemplate": f"{text(first)} %{{x}}<br>{text(second)} %{{y}}<br>%{{z}}<extra></extra>",
    }  # fmt: skip
    for side in layout.values():
        side["type"] = "category"
    notes = ["Each cell is the mean over seeds and over all other hyperparameters."]
    return {"data": [heat], "layout": layout, "notes": notes}


def _against_one(name: str, x: pd.Series, values: pd.Series, metric: Metric) -> Plot:
    kind = _kind(x)
    data = [dots("trials", _values(x), numbers(values), {"opacity": 0.45, "size": 6, "color": COLOURS[0]})]
    groups = values.groupby(x if kind != "category" else _names(x))
    if groups.size().max() > 1:
        means = groups.mean()
        widths = pd.Series(half_widths(groups.std(ddof=1), groups.count()), means.index).fillna(0)
        mean = dots(
            "mean, 95 % interval", _values(means.index.to_series()), numbers(means), {"color": OF_MEANS}
        )
        error = {"type": "data", "array": numbers(widths), "thickness": 1.5}
        data.append({**mean, "mode": "lines+markers", "error_y": error, "line": {"color": OF_MEANS}})
    layout = {"xaxis": axis(name, kind), "yaxis": axis(metric.title)}
    notes = ["A dot is a trial; means are over seeds and over all other hyperparameters."]
    return {"data": data, "layout": layout, "notes": notes}


def parallel(results: Results, study: str, metric: str) -> Plot:
    """Every trial a line over the hyperparameters in which trials differ, coloured by the metric."""
    by, shown = varied(results, study), results.metrics(study)[metric]
    values = measured(_every(results, study), metric) * shown.scale
    known = values.notna().to_numpy() & pd.DataFrame(by).notna().all(axis=1).to_numpy()
    if not known.any():
        return {"data": [], "layout": {}, "notes": []}
    axes = [*by.items(), (shown.title, values)]
    places = {name: _places(column[known]) for name, column in axes}
    order = values[known].rank(pct=True).to_numpy(float)
    shade = np.clip((order * SHADES).astype(int), 0, SHADES - 1)
    data = []
    names = [text(name) for name in places]
    for one in np.unique(shade):
        at = np.flatnonzero(shade == one)[: MOST_LINES // SHADES]
        y = [[*(places[name][0][place] for name in places), None] for place in at]
        data.append(
            {
                "type": "scatter", "mode": "lines", "x": [*names, None] * len(at),
                "y": [value for line in y for value in line], "opacity": 0.6, "showlegend": False,
                "line": {"width": 1, "color": viridis((one + 0.5) / SHADES)}, "hoverinfo": "skip",
            }
        )  # fmt: skip
    ends = [
        {"x": name, "y": y, "text": text(end), "showarrow": False, "yanchor": anchor}
        for name, (_, low, high) in zip(names, places.values(), strict=True)
        for y, end, anchor in ((0, low, "top"), (1, high, "bottom"))
    ]
    notes = [f"A line is a trial; the brighter, the higher its {shown.title}."]
    layout = {
        "xaxis": {"type": "category", "categoryarray": names, "showgrid": True},
        "yaxis": {"visible": False, "range": [-0.1, 1.1]},
        "annotations": ends,
    }
    return {"data": data, "layout": layout, "notes": notes}


def _every(results: Results, study: str) -> pd.DataFrame:
    """The trials that ended, those of all candidates of tuned arms too, and of a search."""
    trials = results.every(study)
    return trials[trials.status.isin(ENDED)].reset_index(drop=True)


def _places(column: pd.Series) -> tuple[npt.NDArray[np.float64], str, str]:
    """Where each value lies between the lowest (0) and the highest (1), and those two as text."""
    kind = _kind(column)
    if kind == "category":
        names = sorted(_names(column).unique(), key=_in_order)
        at = _names(column).map({name: place for place, name in enumerate(names)}).to_numpy(float)
        low, high = names[0], names[-1]
    else:
        at = column.to_numpy(float)
        low, high = (f"{end:.4g}" for end in (at.min(), at.max()))
        at = np.log(at) if kind == "log" else at
    return (at - at.min()) / (np.ptp(at) or 1.0), low, high


def _kind(column: pd.Series) -> str:
    """The kind of axis that fits these values: linear, log or category."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
        return "category"
    low, high = float(column.min()), float(column.max())
    return "log" if low > 0 and high / low >= WIDE else "linear"


def _names(column: pd.Series) -> pd.Series:
    """The values as categories: whole numbers without a point, though a missing one makes floats of them."""
    return column.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))


def _in_order(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _values(column: pd.Series) -> list[Any]:
    """Numbers as they are, on an axis of categories texts."""
    if _kind(column) != "category":
        return [float(value) for value in column]
    return [text(name) for name in _names(column)]
