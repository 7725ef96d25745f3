"""Which optimizer, learning rate, width, dropout and decay suit the report's network? Is any better than its own?"""

from ray import tune

from study import Study

STUDY = Study(
    title="A Searched Network",
    fixed={"dataset": "digits", "epochs": 5, "batch_size": 32, "validation_size": 300, "fc_layers": 2},
    search={
        "width": tune.randint(4, 33),
        "dropout": tune.uniform(0.0, 0.5),
        "weight_decay": tune.loguniform(1e-6, 1e-2),
        "optimizer": tune.choice(
            [
                {
                    "optimizer": "sgd",
                    "lr": tune.loguniform(0.01, 1.0),
                    "momentum": tune.uniform(0.0, 0.95),
                },
                {"optimizer": "adam", "lr": tune.loguniform(0.0001, 0.1)},
            ]
        ),
    },
    budget=64,
)
