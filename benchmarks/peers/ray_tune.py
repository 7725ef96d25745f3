"""The network-width study with Ray Tune, as its PyTorch guide and its MNIST example write it.

A function trainable that reports at the end, a grid, resources per trial; Ray's defaults otherwise. Ray sets
OMP_NUM_THREADS to a trial's CPUs, which torch follows.

    python benchmarks/peers/ray_tune.py --data data --cpus 1
"""

import tempfile

from mnist import WIDTHS, arguments, show, train, work
from ray import tune


def train_mnist(config: dict, given: dict) -> None:
    tune.report(train(config["width"], config["seed"], **given))


if __name__ == "__main__":
    words = arguments(__doc__)
    words.add_argument("--cpus", type=float, default=1, help="of each trial")
    words.add_argument("--gpus", type=float, default=0, help="of each trial, or a fraction of one")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(train_mnist, given=work(given)),
                resources={"cpu": given.cpus, "gpu": given.gpus},
            ),
            param_space={
                "width": tune.grid_search(list(WIDTHS)),
                "seed": tune.grid_search(list(range(given.seeds))),
            },
            run_config=tune.RunConfig(storage_path=folder),
        )
        results = tuner.fit()
    assert not results.errors
    show(
        [
            {**result.config, "accuracy": result.metrics["accuracy"], "seconds": result.metrics["seconds"]}
            for result in results
        ]
    )
