"""The samplers that a search may use, and what each can do; that they are Optuna's is known to `study.search` alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a sampler can do.

    conditional: suggest hyperparameters that depend on others. objectives: how many it can look at, at most.
    remembers: whether a suggestion depends on more than the points before and their values, so that all before must be
    made again where a search continues.
    """

    conditional: bool
    objectives: int
    remembers: bool


SAMPLERS = {
    "tpe": Kind(True, 8, False),  # tree-structured Parzen estimator
    "gp": Kind(False, 8, False),  # Gaussian process
    "cmaes": Kind(False, 1, True),  # CMA-ES, for numbers
    "nsga2": Kind(True, 8, True),  # NSGA-II, a genetic algorithm
    "qmc": Kind(False, 8, True),  # quasi-random points (Sobol), scrambled
    "random": Kind(True, 8, False),  # random points
    "pbt": Kind(False, 1, False),  # a population that is trained together, no sampler of Optuna's
}
