"""A search with Optuna, as its documentation writes it, and run again after a crash.

STEPS_FILE=steps python benchmarks/peers/search_optuna.py --folder out
"""

import optuna
from searching import PROBLEMS, STEPS, arguments, leave, step

if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    problem = PROBLEMS[given.of]
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
        found.enqueue_trial(problem.start)

    def suggested(trial: optuna.Trial) -> dict[str, float]:
        return {
            name: trial.suggest_int(name, of.low, of.high)
            if of.whole
            else trial.suggest_float(name, of.low, of.high, log=of.log)
            for name, of in problem.space.items()
        }

    def objective(trial: optuna.Trial) -> float:
        point = suggested(trial)
        for _ in range(STEPS):
            step(given.seconds / STEPS)
        score, value = problem.evaluate(point, given.repeat)
        trial.set_user_attr("value", value)
        return score

    complete = len(found.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    found.optimize(objective, n_trials=given.budget - complete, n_jobs=given.at_once)
    ended = found.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    leave(
        given.folder,
        ((one.value, one.user_attrs["value"], one.datetime_complete.timestamp()) for one in ended),
    )
