"""Figure 4: how much momentum helps, and how much is too much?

The report names 0.9 and "too high a momentum"; 0, 0.5 and 0.99 are inferred: none, a middle one, and one that
keeps the network from learning.
"""

from ray import tune

from study import Study, above, below, drops

STUDY = Study(
    title="Momentum",
    figure=4,
    scientific={"momentum": tune.grid_search([0.0, 0.5, 0.9, 0.99])},
    claims=[
        above(
            "train_accuracy",
            "A momentum of 0.9 lets training progress faster in the initial iterations.",
            0.9, 0.0, 0.5, first=100,
        ),
        # Of the whole epoch, 469 batches: the course of the training, not its end.
        below(
            "train_accuracy", "Too high a momentum prevents training from progressing smoothly.",
            0.99, 0.9, first=469,
        ),
        # As at a learning rate of 1.0 (learning_rate); chance is 10 %.
        drops(
            "train_accuracy", "Too high a momentum is akin to using too high a learning rate.", 0.99,
            to=10.0, margin=5.0,
        ),
    ],
)  # fmt: skip
