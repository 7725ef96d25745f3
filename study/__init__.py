"""study: controlled hyperparameter studies of PyTorch trainings on Ray Tune.

A study file declares a Study; its arms and seeds become TrialConfigs; those that the store lacks are
trained by Ray Tune; analysis makes tables and figures of the store's plain files.

    errors                   StudyError, "did you mean"
    terminal                 text that can't steer a terminal
    provenance               versions, hardware and commit of a result
    time_limit               a limit for code that is not ours
    seeds                    where a trial's randomness comes from

    declare.study            Study: arms, published values, claims
    declare.claims           a report's sentences as data
    declare.domains          points drawn from Tune's domains
    declare.loading          study files by path or name
    declare.listing          the studies that can be given by name
    declare.own_code         a user's own networks and data sets

    store.trial_store        results and checkpoints by key
    store.records            what the JSON files must say
    store.curve_file         curves as Parquet
    store.checkpoint_file    a training's state, read within bounds
    store.files              files that are whole or absent, anywhere
    store.local_files        the same on this machine, links not followed
    store.tensorboard        event files of finished trials

    key                      what makes two trials the same
    plan                     which trials are to be trained

    running.runner           a plan through Ray Tune
    running.trainable        Ray Tune's view of a trial
    running.tune_callback    what Tune says of the trials
    running.progress         what the terminal shows meanwhile
    running.prepare          data and costs before a run
    running.resources        CPUs and the share of a GPU of a trial
    running.probe            that share, measured
    running.outcome          what a trial that ended leaves
    running.node_check       can all nodes use the storage?
    running.ray_session      Ray for the time of a run
    running.own_ray          a run's Ray, closed to other users
    running.scratch          a run's temporary folder
    running.stop_signals     Ctrl-C, SIGTERM, SIGHUP
    running.allocator        freed memory that a process keeps

    cluster.jobs             submitted studies
    cluster.payload          what travels with a job
    cluster.secret_names     what never does
    cluster.job_server       Ray's, as a client
    cluster.closed_http      requests that carry a token
    cluster.listeners        which user listens on a port
    cluster.token            the file with the token
    cluster.cluster_file     what a file for `ray up` lets in
    cluster.start_command    how its commands start Ray

    images.config            TrialConfig: hyperparameters
    images.data              data sets as uint8 arrays
    images.download          their files, checked by SHA-256
    images.models            CNN, ResNets, a user's own
    images.convolution       convolutions of very small images
    images.optimization      optimizers and losses
    images.training          one trial, resumable, no Ray
    images.step_graph        steps as CUDA graphs
    images.cost              parameters and FLOPs, mostly without torch

    api                      run() for notebooks and scripts
    cli.app                  list, plan, tune
    cli.results              status, report, verify, compare
    cli.cluster              submit, logs, stop, cluster-token, cluster-check
    cli.options              options with their help
    cli.printing             tables and JSON on stdout
    cli.printing_results     the same of results
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.declare.claims import (
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
from study.declare.loading import load
from study.declare.study import Arm, Study
from study.errors import StudyError
from study.images.config import TrialConfig

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
