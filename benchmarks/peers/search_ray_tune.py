"""A search with Ray Tune and OptunaSearch, as its documentation writes it, and restored after a crash.

STEPS_FILE=steps python benchmarks/peers/search_ray_tune.py --folder out
"""

import os
import tempfile
from pathlib import Path

import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from searching import PROBLEMS, STEPS, arguments, domains, leave, step


def trainable(config: dict, given: dict) -> None:
    begun = 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            begun = int((Path(folder) / "step").read_text())
    score, value = PROBLEMS[given["of"]].evaluate(config, given["repeat"])
    if not given["seconds"]:  # nothing that a checkpoint would save
        tune.report({"score": score, "value": value})
        return
    for done in range(begun + 1, STEPS + 1):
        step(given["seconds"] / STEPS)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "step").write_text(str(done))
            tune.report({"score": score, "value": value}, checkpoint=tune.Checkpoint.from_directory(folder))


if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    problem = PROBLEMS[given.of]
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    ray.init(runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(here)}}, log_to_driver=False)
    folder = Path(given.folder).absolute()
    work = tune.with_parameters(
        trainable, given={"seconds": given.seconds, "repeat": given.repeat, "of": given.of}
    )
    if tune.Tuner.can_restore(folder / "peer"):
        tuner = tune.Tuner.restore(str(folder / "peer"), work, resume_unfinished=True, restart_errored=True)
    else:
        tuner = tune.Tuner(
            work,
            param_space=domains(problem.space),
            tune_config=tune.TuneConfig(
                metric="score",
                mode="min",
                search_alg=OptunaSearch(seed=given.repeat, points_to_evaluate=[problem.start]),
                num_samples=given.budget,
                max_concurrent_trials=given.at_once,
            ),
            run_config=tune.RunConfig(storage_path=str(folder), name="peer", verbose=0),
        )
    ended = [one.metrics for one in tuner.fit() if one.metrics and "score" in one.metrics]
    leave(given.folder, ((one["score"], one["value"], one["timestamp"]) for one in ended))
