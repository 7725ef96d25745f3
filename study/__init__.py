"""study: controlled studies of trainings on Ray Tune.

A study file declares a Study of a training: its arms, what was published and what is claimed. Arms times seeds are
trials; those that the store lacks are trained, by Ray Tune or in this process; analysis makes tables, figures and
verdicts of the store's plain files. What each module is for, from the bottom up:

    errors                   StudyError, "did you mean"
    terminal                 text that can't steer a terminal, lost output
    provenance               versions, hardware and commit of a result
    time_limit               a limit for code that is not ours
    seeds                    where a trial's randomness comes from
    paths                    ~ in a path, a current folder that is gone
    process                  a process whose output is read as it comes
    meaning                  what Python source means, without comments and formatting
    own_code                 a user's own code: found, hashed, sent to workers

    generator_state          states that no generator should go on from
    state                    what is saved of attributes, and gone on from
    plain                    NumPy's and torch's numbers as Python's
    metric                   what a training measures: Metric, higher, lower
    ranking                  the best of what is scored, by one objective or several
    training                 the contract: Training, Config, Cost
    functions                a function as a training
    commands                 a command line as a training

    declare.study            Study: arms, published values, claims
    declare.mistakes         what in a study does not fit together
    declare.search_mistakes  nor in its search
    declare.trainings        what a study may train
    declare.claims           a report's sentences as data
    declare.domains          points drawn from Tune's domains
    declare.dimension        one thing that a search chooses
    declare.space            where it searches, some things depending on others
    declare.searches         what a search starts from
    declare.samplers         what suggests points, and what each can do
    declare.search_record    what the record of a study says of its search
    declare.data             what trials are trained on
    declare.loading          study files by path or name
    declare.listing          the studies that can be given by name

    store.tenths             what a stored trial measured at its tenths
    store.trial_store        results and checkpoints by key
    store.packed             a storage as two Parquet files
    store.running_file       how far a trial is that is trained right now
    store.records            what the JSON files must say
    store.fields             what their fields may hold
    store.cases              which cases a trial answered right, as bits
    store.curve_file         curves as Parquet
    store.parquet_foot       what such a file says of its size
    store.checkpoint_file    a training's state, read within bounds
    store.format1            records of study 0.1
    store.format1_state      checkpoints of study 0.1
    store.files              files that are whole or absent, anywhere
    store.local_files        the same on this machine, links not followed
    store.tensorboard        TensorBoard's event files, where they lie
    store.event_file         what stands in one

    images.declaration       the report's training of networks on images
    images.config            its hyperparameters
    images.metrics           what it measures
    images.data              data sets as uint8 arrays
    images.download          their files, checked by SHA-256
    images.models            CNN, ResNets, a user's own
    images.convolution       convolutions of very small images
    images.optimization      optimizers and losses
    images.training          its steps
    images.step_graph        steps as CUDA graphs
    images.cost              parameters and FLOPs, mostly without torch

    analysis                 the folder analysis, whatever a user's files are called
    lineage                  hyperparameters that change in the middle of a trial
    key                      what makes two trials the same
    recording                what the record of a study says
    plan                     which trials are to be trained
    until_decided            more seeds, where something is undecided
    search.sampler           Optuna's samplers, repeatable
    search.outcomes          what came of the trials of a search
    search.search            its suggestions, and what is next
    search.population        trials trained together, tenth by tenth
    search.source            those of several studies
    search.finalists         the best points, to be trained with other seeds
    search.searching         plans with searches
    rounds                   what is planned after what was found

    cluster.jobs             submitted studies
    cluster.payload          what travels with a job
    cluster.secret_names     what never does
    cluster.job_server       Ray's, as a client
    cluster.closed_http      requests that carry a token
    cluster.listeners        which user listens on a port
    cluster.token            the file with the token
    cluster.cluster_file     what a file for `ray up` lets in
    cluster.start_command    how its commands start Ray

    running.options          how to run, as opposed to what
    running.history          what a trial measured
    running.cases            what a training says of its cases, checked
    running.tenths           where schedulers look at a trial
    running.live             what a trial tells of itself while it is trained
    running.trial_run        a trial from its first step to its metrics
    running.attempt          a trial taken, trained, saved and committed
    running.outcome          what a trial that ended leaves
    running.prepare          data and costs before a run
    running.as_before        what a run puts back in its process
    running.listener         who hears of a run's trials
    running.live_events      TensorBoard's event files of trials that run grow
    running.limits           what a container lets us use
    running.resources        CPUs and the share of a GPU of a trial
    running.probe            that share, measured
    running.known_times      what a storage knows of how long trials take
    running.measured_times   what some steps of them told before
    running.schedule         how long trials take together
    running.outlook          how long a plan takes and what it costs
    running.time_left        how long a run still takes
    running.runner           a plan through Ray Tune
    running.early_stopping   Ray Tune's schedulers that stop trials
    running.tuner            the tune.Tuner of trials
    running.handing          trials handed out one after the other
    running.tune_searcher    the same as Ray Tune asks for them
    running.in_process       the same without Ray
    running.stopwatch        how long trials take, by some steps
    running.preview          what is known of a plan before it runs
    running.trainable        Ray Tune's view of a trial
    running.tune_callback    what Tune says of the trials
    running.progress         what the terminal shows meanwhile
    running.notebook_progress  what a notebook shows meanwhile
    running.node_check       can all nodes use the storage?
    running.ray_session      Ray for the time of a run
    running.fork_client      what Ray starts for a worker: asks for a fork
    running.fork_server      forks with everything imported
    running.own_ray          a run's Ray, closed to other users
    running.scratch          a run's temporary folder
    running.stop_signals     Ctrl-C, SIGTERM, SIGHUP
    running.machine          how much of a machine is in use
    running.allocator        freed memory that a process keeps

    check                    does a training keep its promises?
    check_process            what it runs in new processes
    new                      a study file to begin with
    status                   how far studies are, and what runs
    request                  what run() is asked for
    serve.following          a storage that is read again and again
    serve.pages              what pages show of it
    serve.running            of what is trained right now
    serve.app                addresses to pages, tables, figures, events
    serve.answers            made once for all who ask the same
    serve.guard              who may see them
    serve.server             starts and ends them
    serve.beside             the same for the time of a run
    api                      run() for notebooks and scripts
    trained_trial            a trained training, loaded
    cli.app                  list, plan, tune
    cli.own                  new, check
    cli.results              status, report, verify, infer, compare
    cli.packing              pack, unpack
    cli.export               export
    cli.serve                serve
    cli.stored               the studies of a storage that they are given
    cli.cluster              submit, logs, stop, cluster-token, cluster-check
    cli.options              options with their help
    cli.printing             tables and JSON on stdout
    cli.printing_plan        the same of a plan
    cli.printing_results     the same of results
    cli.printing_status      the same of what runs
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.api import run
    from study.commands import command
    from study.declare.claims import (
        Claim,
        about_published,
        above,
        below,
        decreasing,
        drops,
        either_way,
        equivalent,
        happens,
        increasing,
        levels_off,
        rougher,
    )
    from study.declare.loading import load
    from study.declare.study import Arm, Study
    from study.errors import StudyError
    from study.functions import function
    from study.metric import Metric, higher, lower
    from study.seeds import generator, order
    from study.trained_trial import trained
    from study.training import Config, Cost, Training, added

__version__ = "0.2.0"

__all__ = [
    "Arm",
    "Claim",
    "Config",
    "Cost",
    "Metric",
    "Study",
    "StudyError",
    "Training",
    "about_published",
    "above",
    "added",
    "below",
    "command",
    "decreasing",
    "drops",
    "either_way",
    "equivalent",
    "function",
    "generator",
    "happens",
    "higher",
    "increasing",
    "levels_off",
    "load",
    "lower",
    "order",
    "rougher",
    "run",
    "trained",
]


# Where each name is from. They are imported when they are asked for: `study --help` needs none of them, a study file
# needs neither Ray nor pandas, which run() brings.
_HOMES = {
    "run": "api",
    "command": "commands",
    **dict.fromkeys(
        ("Claim", "about_published", "above", "below", "decreasing", "drops", "either_way", "equivalent", "happens",
         "increasing", "levels_off", "rougher"), "declare.claims"
    ),
    "load": "declare.loading",
    "Arm": "declare.study",
    "Study": "declare.study",
    "StudyError": "errors",
    "function": "functions",
    **dict.fromkeys(("Metric", "higher", "lower"), "metric"),
    "generator": "seeds",
    "order": "seeds",
    "trained": "trained_trial",
    **dict.fromkeys(("Config", "Cost", "Training", "added"), "training"),
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"study.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
