"""The network-width study with Optuna, `n_jobs` trials at once in threads, as its tutorial teaches.

Trials are enqueued, as its documentation does for hyperparameters that one names oneself: its GridSampler may
give two jobs the same point. Jobs share torch's generator, so a seed does not give the same weights again.

    python benchmarks/peers/optuna_study.py --data data --jobs 2 --threads 1
"""

import optuna
import torch
from mnist import WIDTHS, arguments, show, train, work

if __name__ == "__main__":
    words = arguments(__doc__)
    words.add_argument("--jobs", type=int, default=1, help="trials at once")
    words.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of each trial")
    given = words.parse_args()
    torch.set_num_threads(given.threads)

    def objective(trial: optuna.Trial) -> float:
        width = trial.suggest_categorical("width", WIDTHS)
        seed = trial.suggest_int("seed", 0, given.seeds - 1)
        result = train(width, seed, **work(given))
        trial.set_user_attr("seconds", result["seconds"])
        return result["accuracy"]

    study = optuna.create_study(direction="maximize")
    arms = [{"width": width, "seed": seed} for width in WIDTHS for seed in range(given.seeds)]
    for arm in arms:
        study.enqueue_trial(arm)
    study.optimize(objective, n_trials=len(arms), n_jobs=given.jobs)
    show([{**trial.params, "accuracy": trial.value, **trial.user_attrs} for trial in study.trials])
