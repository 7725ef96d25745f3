"""How wide a hidden layer does train_digits.py need? The script knows nothing of `study`."""

from ray import tune

import study

digits = study.command(
    "python train_digits.py --hidden {hidden} --lr {lr} --epochs {epochs} --seed {seed}",
    study.higher("accuracy", "%", worst=0.0),
    study.lower("loss", "nats"),
    config={"hidden": 32, "lr": 0.01, "epochs": 10},
    # It prints lines such as `epoch 3: loss 0.3127, accuracy 0.9278`.
    read={"loss": r"loss (\S+),", "accuracy": r"accuracy (\S+)"},
    watched="loss",
)

STUDY = study.Study(
    title="Hidden Units",
    training=digits,
    scientific={"hidden": tune.grid_search([4, 16, 64])},
    seeds=5,
    claims=[
        study.increasing("accuracy", "More hidden units give a higher accuracy."),
        study.decreasing("loss", "More hidden units give a lower loss."),
    ],
)
