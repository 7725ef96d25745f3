"""Figure 2: which learning rate reaches the best accuracy in one epoch?

The three rates are the report's; it gives no test accuracies. That 0.01 reaches the same accuracy with more epochs is
a claim of more_epochs.
"""

from ray import tune

from study import Study, above, below, drops

STUDY = Study(
    title="Learning Rate",
    figure=2,
    scientific={"lr": tune.grid_search([0.01, 0.1, 1.0])},
    claims=[
        above("test_accuracy", "A learning rate of 0.1 gives the best accuracy.", 0.1, 0.01, 1.0),
        above(
            "train_accuracy", "A learning rate of 0.1 needs the least number of iterations.", 0.1, 0.01, 1.0, first=100
        ),
        below(
            "train_accuracy", "A learning rate of 0.01 results in slower learning.", 0.01, 0.1, first=100
        ),
        # Ten classes: chance is 10 %.
        drops(
            "train_accuracy", "At 1.0 training starts smoothly, then abruptly drops and becomes stuck.", 1.0,
            to=10.0, margin=5.0,
        ),
    ],
)  # fmt: skip
