"""How much each thing that a search chose matters for its score, by Optuna's own evaluator."""

from __future__ import annotations

import warnings
from typing import Any

from .results import Results
from .searching import objectives, points

# Of fewer finished trials nothing can be said.
FEWEST = 10


def importance(results: Results, study: str) -> dict[str, float]:
    """By dimension, the share of what all of them explain of the first objective, the largest first; they add up to 1.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023): in which dimensions the better half of the trials differs from
    all of them. Dimensions that not every trial has are left out. Empty below 10 finished trials, and where Optuna is
    not installed.
    """
    search, metric = results.studies[study]["search"], objectives(results, study)[0]
    chosen = {one["key"]: one["point"] for one in reversed(search["suggestions"])}
    table = points(results, study).dropna(subset=[metric.name])
    space = [one for one in search["space"] if all(one["name"] in chosen[key] for key in table.key)]
    try:
        import optuna
    except ImportError:
        return {}
    if len(table) < FEWEST or not space:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {one["name"]: _distribution(optuna.distributions, one) for one in space}
    of_search = optuna.create_study(direction="maximize" if metric.better == "higher" else "minimize")
    for key, value in zip(table.key, table[metric.name], strict=True):
        params = {name: chosen[key][name] for name in distributions}
        of_search.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=float(value))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, float] = optuna.importance.get_param_importances(
            of_search, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    return found


def _distribution(kinds: Any, one: dict[str, Any]) -> Any:
    if one["choices"] is not None:
        return kinds.CategoricalDistribution(range(len(one["choices"])))
    if one["whole"]:
        step = 1 if one["log"] else int(one["step"] or 1)
        return kinds.IntDistribution(int(one["low"]), int(one["high"]), log=one["log"], step=step)
    return kinds.FloatDistribution(
        one["low"], one["high"], log=one["log"], step=None if one["log"] else one["step"]
    )
