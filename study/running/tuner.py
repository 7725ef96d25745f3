"""The tune.Tuner that trains trials: Ray Tune schedules them, and keeps nothing that counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from study.plan import Plan, Trial
from study.running.early_stopping import early_stopping
from study.running.options import Options
from study.running.prepare import Prepared
from study.running.resources import Resources
from study.running.runner import settings
from study.running.trainable import TrialTrainable
from study.running.tune_callback import TuneCallback
from study.running.tune_searcher import TuneSearcher
from study.store.trial_store import TrialStore


def tuner(
    trials: list[Trial],
    places: list[int],
    plan: Plan,
    own: dict[str, dict[str, Any]],
    prepared: Prepared,
    shares: dict[str, Resources],
    store: TrialStore,
    options: Options,
    callback: TuneCallback,
    folder: Path,
    searcher: TuneSearcher | None,
    at_once: int,
) -> tune.Tuner:
    """The tune.Tuner of the trials at these places, in this order, with `own`, the code to train; or of those that a
    searcher gives, so many at once.

    Its files are never the truth.
    """
    trainable = tune.with_parameters(
        TrialTrainable,
        trials=[trial.travelling() for trial in trials],
        **own,
        data=prepared.data,
        storage=str(store.root),
        folder=str(Path.cwd()),
        shares=shares,
        settings=settings(options),
    )

    # Tune unpickles `bundle` several times a trial, and with it all that it refers to.
    asked = [shares[trial.key] for trial in trials]

    def bundle(config: dict[str, Any]) -> Any:
        share = config["handed"].share if "handed" in config else asked[config["trial"]]
        return tune.PlacementGroupFactory([{"CPU": share.cpus, "GPU": share.gpus}])

    return tune.Tuner(
        tune.with_resources(trainable, bundle),
        param_space={} if searcher else {"trial": tune.grid_search(places)},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            search_alg=searcher,
            num_samples=-1 if searcher else 1,  # as many as the searcher gives
            max_concurrent_trials=at_once if searcher else options.max_concurrent,
            scheduler=early_stopping(options.scheduler, plan, trials, store),
            trial_name_creator=_short_name,
            trial_dirname_creator=_short_name,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "tune"),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            # The one that Tune takes in a notebook deletes what the cell has shown, at any verbosity.
            progress_reporter=tune.CLIReporter(),
            verbose=0,
        ),
    )


def _short_name(trial: Any) -> str:
    return f"{trial.config['trial']:06d}"
