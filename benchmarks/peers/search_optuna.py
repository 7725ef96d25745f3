"""A search with Optuna, as its documentation writes it, and run again after a crash.

STEPS_FILE=steps python benchmarks/peers/search_optuna.py --folder out
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import optuna
from hartmann import STEPS, VARIABLES, hartmann, noise, step
from searching import arguments

if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {
        "tpe": optuna.samplers.TPESampler, "cmaes": optuna.samplers.CmaEsSampler,
        "gp": optuna.samplers.GPSampler, "random": optuna.samplers.RandomSampler,
    }  # fmt: skip
    found = optuna.create_study(
        storage=f"sqlite:///{given.folder}/peer.db",
        study_name="peer",
        load_if_exists=True,
        sampler=kinds[given.sampler](seed=given.repeat),
    )
    if not found.trials:
        found.enqueue_trial(dict.fromkeys(VARIABLES, 0.5))

    def objective(trial: optuna.Trial) -> float:
        x = [trial.suggest_float(name, 0.0, 1.0) for name in VARIABLES]
        for _ in range(STEPS):
            step(given.seconds / STEPS)
        value = hartmann(x)
        trial.set_user_attr("value", value)
        return value + noise(x, 0, given.repeat)

    complete = len(found.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    found.optimize(objective, n_trials=given.budget - complete, n_jobs=given.at_once)
    ended = found.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    results = [[one.value, one.user_attrs["value"]] for one in ended]
    (Path(given.folder) / "results.json").write_text(json.dumps(results))
