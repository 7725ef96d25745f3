"""How a search found its best, as plotly.js takes it (interactive.py)."""

from __future__ import annotations

import numpy as np

from study.ranking import front

from .interactive import COLOURS, Plot, axis, dots, line, numbers, text
from .results import Results
from .searching import best_so_far, objectives, of_random, points, scores


def progress(results: Results, study: str) -> Plot:
    """The best so far by trials, every trial a dot; of two objectives the trials and their front."""
    metrics, table = objectives(results, study), points(results, study)
    names = [text(f"point {number}") for number in table.number]
    marker = {"opacity": 0.5, "size": 7, "color": COLOURS[0]}
    if len(metrics) > 1:
        first, second = metrics[:2]
        known = table.dropna(subset=[first.name, second.name])
        found = scores(results, study)
        best = np.array([found[key][:2] for key in front(found, [one.sign for one in metrics])]).reshape(
            -1, 2
        )
        each = dots("trials", numbers(known[first.name]), numbers(known[second.name]), marker)
        names = [text(f"point {number}") for number in known.number]
        reached = line("front", best[:, 0], best[:, 1], COLOURS[3], second, 2, "front")
        layout = {"xaxis": axis(first.title), "yaxis": axis(second.title)}
        return {"data": [{**each, "text": names}, reached], "layout": layout, "notes": []}
    metric = metrics[0]
    values = table[metric.name].to_numpy(float)
    trials = np.arange(1, len(values) + 1)
    data = [
        {**dots("trials", numbers(trials), numbers(values), marker), "text": names},
        line("best so far", trials, best_so_far(values, metric.sign), COLOURS[3], metric, 2, "best so far"),
    ]
    if len(random := of_random(results, study)):
        at = np.arange(1, len(random) + 1)
        data.append(line("random points", at, random, COLOURS[1], metric, 1.5, "random points", "dash"))
    for one in data[1:]:
        one["line"]["shape"] = "hv"  # it stays until a better one comes
    notes = ["A dot is a trial, with the seed of the search. Of so many scores the best is partly luck."]
    return {"data": data, "layout": {"xaxis": axis("trial"), "yaxis": axis(metric.title)}, "notes": notes}
