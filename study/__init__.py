"""study: controlled hyperparameter studies of PyTorch trainings on Ray Tune.

A study file declares a Study; its arms and seeds become TrialConfigs; those that the store lacks are
trained by Ray Tune; analysis makes tables and figures of the store's plain files.

    config      TrialConfig: one training as validated data    spec        Study: arms, published, claims
    claims      a report's sentences as data                    domains     points drawn from Tune's domains
    loading     study files by path or name                     plugins     a user's own networks and data
    data        a data set as uint8 arrays                      models      the networks
    download    its files, checked by SHA-256                   listing     the studies known by name
    cost        parameters and FLOPs, mostly without torch      recipe      optimizers and losses
    training    one trial, resumable, no Ray                    provenance  where a result comes from
    key         what makes two trials the same                  plan        what is to be trained
    store       results and checkpoints, atomic                 records     what its JSON files must say
    trainable   Ray Tune's view of a Training                   resources   CPUs and GPU share of a trial
    prepare     data and costs before a run                     ray_session Ray for the time of a run
    probe       shares, measured on a GPU                       reach       can all nodes use the storage?
    runner      plan -> tune.Tuner                              follower    what Tune says of the trials
    progress    what the terminal shows                         api         run() for notebooks and scripts
    cli         list, plan, tune                                cli_results status, report, verify, compare
    options     what the commands' words mean                   show        what they print (show_results)
    tensorboard event files                                     terminal    text that can't steer a terminal
    files       whole or absent, in one place (local_files)     curve_file, checkpoint_file: within bounds
    own_ray     a run's Ray, closed to other users              payload     what travels to a cluster
    job_server  Ray's, and who listens there (listeners)        jobs        submitted studies
    cluster_token, cluster_file: who gets into a cluster        secret_names
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.claims import (
    Claim,
    about_published,
    above,
    below,
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
    "below",
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
