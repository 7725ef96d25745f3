"""Which optimizer is best when each has its own learning rate?

Beyond the report, whose Figure 6 compares optimizers at one learning rate each. Here the rate of every
optimizer is tuned on 5,000 images held out of the training set, over the range that any of them needs.
"""

from ray import tune

from study import Study

STUDY = Study(
    title="Optimizers, Each With Its Own Learning Rate",
    arms={
        "SGD": {"optimizer": "sgd"},
        "SGD, momentum 0.9": {"optimizer": "sgd", "momentum": 0.9},
        "Adagrad": {"optimizer": "adagrad"},
        "Adam": {"optimizer": "adam"},
        "AdamW, decay 0.01": {"optimizer": "adamw", "weight_decay": 0.01},
        "RMSprop": {"optimizer": "rmsprop"},
    },
    nuisance={"lr": tune.loguniform(0.0003, 0.5)},
    nuisance_samples=8,
    fixed={"validation_size": 5000},
)
