"""A search with Ray Tune and OptunaSearch, as its documentation writes it, and restored after a crash.

STEPS_FILE=steps python benchmarks/peers/search_ray_tune.py --folder out
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ray
from hartmann import STEPS, VARIABLES, hartmann, noise, step
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from searching import arguments


def trainable(config: dict, given: dict) -> None:
    begun = 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            begun = int((Path(folder) / "step").read_text())
    x = [config[name] for name in VARIABLES]
    value = hartmann(x)
    for done in range(begun + 1, STEPS + 1):
        step(given["seconds"] / STEPS)
        measured = {"noisy": value + noise(x, 0, given["repeat"]), "value": value}
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "step").write_text(str(done))
            tune.report(measured, checkpoint=tune.Checkpoint.from_directory(folder))


if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    ray.init(runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(here)}}, log_to_driver=False)
    folder = Path(given.folder).absolute()
    work = tune.with_parameters(trainable, given={"seconds": given.seconds, "repeat": given.repeat})
    if tune.Tuner.can_restore(folder / "peer"):
        tuner = tune.Tuner.restore(str(folder / "peer"), work, resume_unfinished=True, restart_errored=True)
    else:
        start = [dict.fromkeys(VARIABLES, 0.5)]
        tuner = tune.Tuner(
            work,
            param_space={name: tune.uniform(0.0, 1.0) for name in VARIABLES},
            tune_config=tune.TuneConfig(
                metric="noisy",
                mode="min",
                search_alg=OptunaSearch(seed=given.repeat, points_to_evaluate=start),
                num_samples=given.budget,
                max_concurrent_trials=given.at_once,
            ),
            run_config=tune.RunConfig(storage_path=str(folder), name="peer", verbose=0),
        )
    ended = [one.metrics for one in tuner.fit() if one.metrics and "noisy" in one.metrics]
    results = [[one["noisy"], one["value"]] for one in sorted(ended, key=lambda one: one["timestamp"])]
    (folder / "results.json").write_text(json.dumps(results))
