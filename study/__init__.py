"""study: controlled hyperparameter studies of PyTorch trainings on Ray Tune.

A study file declares a Study; its arms and seeds become TrialConfigs; those that the store lacks are
trained by Ray Tune; analysis makes tables and figures of the store's plain files.

    config    TrialConfig: one training as validated data      spec      Study: arms, published, claims
    claims    a report's sentences as data                      loading   study files by path or name
    data      a data set as uint8 arrays                        models    the networks
    training  one trial, resumable to the bit, no Ray           key       what makes two trials the same
    store     results and checkpoints, atomic                   records   what its JSON files must say
    plan      what is to be trained                             recipe    optimizers and losses
    trainable Ray Tune's view of a Training                     resources CPUs and GPU share of a trial
    runner    plan -> tune.Tuner                                progress  what the terminal shows
    api       run() for notebooks and scripts                   cli       the command line
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.claims import (
    Claim,
    about_published,
    above,
    collapsed,
    decreasing,
    drops,
    equivalent,
    higher_at_same_iteration,
    increasing,
    less_stable,
    saturated,
    slower_at_first,
)
from study.config import StudyError, TrialConfig
from study.loading import load
from study.spec import Arm, Study

if TYPE_CHECKING:
    from study.api import run

__version__ = "0.1.0"

__all__ = [
    "Arm",
    "Claim",
    "Study",
    "StudyError",
    "TrialConfig",
    "about_published",
    "above",
    "collapsed",
    "decreasing",
    "drops",
    "equivalent",
    "higher_at_same_iteration",
    "increasing",
    "less_stable",
    "load",
    "run",
    "saturated",
    "slower_at_first",
]


def __getattr__(name: str) -> object:
    # run() brings Ray, torch and pandas; a study file, which imports this module, needs none of them.
    if name == "run":
        from study.api import run

        return run
    raise AttributeError(f"module 'study' has no attribute {name!r}")
