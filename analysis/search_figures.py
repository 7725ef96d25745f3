"""Figures of a search: how the best came to be found, its points, their front, and all of them as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from study.metric import Metric
from study.ranking import front

from .figures import STYLE, labelled, new_figure, noted
from .importance import importance
from .own_matplotlib import Axes, Figure, Normalize, colormaps, style
from .results import Results
from .searching import best_so_far, objectives, of_random, points, scores, title_of
from .series import Values

MAP = "viridis"
# Panels side by side, the size of one in inches, and the most that are drawn.
ACROSS, WIDE, HIGH, MOST_PANELS = 3, 2.3, 1.9, 12
# The lines of the figure with an axis for each dimension.
MOST_LINES = 500
# An axis goes beyond the range of its dimension by this share of it.
BEYOND = 0.05


def draw_progress(results: Results, study: str) -> Figure:
    """The best so far by trials and by hours, every trial a dot; of two objectives the trials and their front."""
    record, metrics, table = results.studies[study], objectives(results, study), points(results, study)
    with style.context(STYLE, after_reset=True):
        if len(metrics) > 1:
            figure, (axes,) = new_figure(record)
            _draw_front(axes, table, metrics, scores(results, study))
            noted(figure, "Dots: trials. Line: those that no other one beats in both.")
            return figure
        metric = metrics[0]
        figure, (by_trial, by_hour) = new_figure(record, columns=2)
        values = table[metric.name].to_numpy(float)
        reached = best_so_far(values, metric.sign)
        by_trial.plot(np.arange(1, len(values) + 1), values, "o", color="C0", markersize=3, alpha=0.5)
        by_trial.step(np.arange(1, len(values) + 1), reached, where="post", color="C0", label="best so far")
        if len(random := of_random(results, study)):
            by_trial.step(
                np.arange(1, len(random) + 1), random, "--", where="post", color="C1", label="random points"
            )
        order = np.argsort(table.hours.to_numpy(float), kind="stable")
        hours = table.hours.to_numpy(float)[order]
        minutes = bool(len(hours)) and np.nanmax(hours, initial=0.0) < 1
        by_hour.step(hours * (60 if minutes else 1), best_so_far(values[order], metric.sign), where="post")
        by_trial.set(xlabel="trial", ylabel=labelled(metric.title))
        by_hour.set(xlabel="minutes" if minutes else "hours")
        by_trial.legend(loc="best")
        noted(figure, "Dots: trials, by the seed of the search. Of so many scores the best is partly luck.")
    return figure


def draw_points(results: Results, study: str) -> Figure:
    """The first objective against each dimension, the most important first, with the share that it explains; and over
    the two most important ones together.
    """
    record, metric, table = results.studies[study], objectives(results, study)[0], points(results, study)
    shares = importance(results, study)
    space = sorted(record["search"]["space"], key=lambda one: -shares.get(one["name"], 0.0))[:MOST_PANELS]
    known = table[table[metric.name].notna()]
    with style.context(STYLE, after_reset=True):
        panels = len(space) + (len(space) > 1)
        figure, all_axes = new_figure(record, columns=min(ACROSS, panels), rows=-(-panels // ACROSS))
        figure.set_size_inches(WIDE * min(ACROSS, panels), HIGH * -(-panels // ACROSS) + 0.4)
        for axes in all_axes[panels:]:
            axes.set_axis_off()
        for place, (axes, one) in enumerate(zip(all_axes, space, strict=False)):
            x, y = _placed(axes, "x", one, known[f"at.{one['name']}"]), known[metric.name].to_numpy(float)
            axes.plot(x, y, "o", color="C0", markersize=3, alpha=0.6)
            share = f" ({shares[one['name']]:.0%})" if one["name"] in shares else ""
            axes.set_xlabel(labelled(title_of(record["search"]["space"], one["name"])) + share)
            axes.set_ylabel("" if place % ACROSS else labelled(metric.title))
        if len(space) > 1:
            titles = [title_of(record["search"]["space"], one["name"]) for one in space[:2]]
            _draw_over_two(figure, all_axes[len(space)], space[:2], titles, known, metric)
        explained = (
            " In brackets: which share of what is explained it explains (PED-ANOVA)." if shares else ""
        )
        noted(figure, f"Dots: trials of the search.{explained}")
    return figure


def draw_parallel(results: Results, study: str) -> Figure:
    """Every trial a line over the dimensions, coloured by the first objective."""
    record, metric, table = results.studies[study], objectives(results, study)[0], points(results, study)
    known = table[table[metric.name].notna()].head(MOST_LINES)
    space = record["search"]["space"][:MOST_PANELS]
    values = known[metric.name].to_numpy(float)
    with style.context(STYLE, after_reset=True):
        figure, (axes,) = new_figure(record)
        columns = [_share(one, known[f"at.{one['name']}"]) for one in space]
        ranks = pd.Series(metric.sign * values).rank(pct=True).to_numpy(float)
        for line in np.argsort(ranks, kind="stable"):
            axes.plot(
                range(len(space)),
                [column[line] for column in columns],
                color=colormaps[MAP](ranks[line]),
                marker=".",  # seen where the dimensions beside it don't apply
                markersize=2.5,
                lw=1,
                alpha=0.6,
            )
        titles = [labelled(title_of(record["search"]["space"], one["name"])) for one in space]
        slanted: dict[str, Any] = (
            {"rotation": 20, "ha": "right", "rotation_mode": "anchor"} if len(space) > 4 else {}
        )
        axes.set_xticks(range(len(space)), titles, fontsize=7, **slanted)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.12, 1.12)
        for place, one in enumerate(space):
            low, high = _ends(one)
            axes.text(place, -0.03, labelled(low), ha="center", va="top", fontsize=5.5)
            axes.text(place, 1.03, labelled(high), ha="center", va="bottom", fontsize=5.5)
            axes.axvline(place, color="0.7", lw=0.8, zorder=0)
        noted(figure, f"A line is a trial of the search; the brighter, the better its {metric.title}.")
    return figure


def _draw_front(
    axes: Axes, table: pd.DataFrame, metrics: Sequence[Metric], found: Mapping[str, Sequence[float]]
) -> None:
    first, second = metrics[:2]
    known = table.dropna(subset=[first.name, second.name])
    best = [found[key] for key in front(found, [one.sign for one in metrics])]
    axes.plot(known[first.name], known[second.name], "o", color="C0", markersize=3, alpha=0.5)
    axes.plot([one[0] for one in best], [one[1] for one in best], "o-", color="C1", markersize=4)
    axes.set(xlabel=labelled(first.title), ylabel=labelled(second.title))


def _draw_over_two(
    figure: Figure,
    axes: Axes,
    space: Sequence[dict[str, Any]],
    titles: Sequence[str],
    known: pd.DataFrame,
    metric: Metric,
) -> None:
    """Trials over two dimensions, coloured by the metric; contours where both are numbers and there are enough."""
    first, second = space
    x = np.array(_placed(axes, "x", first, known[f"at.{first['name']}"]), float)
    y = np.array(_placed(axes, "y", second, known[f"at.{second['name']}"]), float)
    values = known[metric.name].to_numpy(float)
    here = ~(np.isnan(x) | np.isnan(y))
    x, y, values = x[here], y[here], values[here]
    axes.set(xlabel=labelled(titles[0]), ylabel=labelled(titles[1]))
    if not len(values):
        return
    scale = Normalize(float(values.min()), float(values.max()))
    numbers = first["choices"] is None and second["choices"] is None
    if numbers and len({*zip(x, y, strict=True)}) >= 10 and min(np.ptp(x), np.ptp(y)) > 0:
        at = [np.log(v) if one["log"] else v for one, v in ((first, x), (second, y))]
        if np.linalg.matrix_rank(np.cov(*at)) == 2:
            axes.tricontourf(x, y, values, 8, cmap=MAP, norm=scale, alpha=0.5)
    shown = axes.scatter(x, y, c=values, cmap=MAP, norm=scale, s=8)
    figure.colorbar(shown, ax=axes, label=labelled(metric.title))


def _placed(axes: Axes, side: str, one: dict[str, Any], chosen: pd.Series) -> list[float]:
    """Where on this axis what was chosen lies; the axis is made for the dimension."""
    if one["choices"] is not None:
        getattr(axes, f"set_{side}ticks")(
            range(len(one["choices"])), [labelled(name) for name in one["choices"]]
        )
        place = {name: number for number, name in enumerate(one["choices"])}
        return [float(place.get(value, math.nan)) for value in chosen]
    low, high, shown = one["low"], one["high"], getattr(axes, f"{side}axis")
    if one["log"]:
        getattr(axes, f"set_{side}scale")("log")
        shown.set_major_formatter("{x:g}")  # its own writes powers as mathematics, which the style turns off
        shown.set_minor_formatter("")
        low, high = low / (high / low) ** BEYOND, high * (high / low) ** BEYOND
    else:
        low, high = low - BEYOND * (high - low), high + BEYOND * (high - low)
    if low < high:
        getattr(axes, f"set_{side}lim")(low, high)
    return [math.nan if value is None else float(value) for value in chosen]


def _share(one: dict[str, Any], chosen: pd.Series) -> Values:
    """How far from the lower to the upper end of the dimension's range what was chosen lies, NaN where nothing was."""
    low, high = one["low"], one["high"]
    if one["choices"] is not None:
        place = {name: number for number, name in enumerate(one["choices"])}
        at = np.array([place.get(value, math.nan) for value in chosen], float)
    else:
        at = np.array([math.nan if value is None else value for value in chosen], float)
        if one["log"]:
            low, high, at = math.log(low), math.log(high), np.log(at)
    share: Values = (at - low) / ((high - low) or 1.0)
    return share


def _ends(one: dict[str, Any]) -> tuple[str, str]:
    if one["choices"] is not None:
        return str(one["choices"][0]), str(one["choices"][-1])
    return f"{one['low']:g}", f"{one['high']:g}"
