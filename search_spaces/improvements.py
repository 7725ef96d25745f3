"""Figure 12: what do dropout, momentum, weight decay, width and more epochs add?

The report says: dropout between 2 fully connected layers, then momentum and weight decay with it, then 100
channels, momentum 0.9 and 10 epochs. Inferred: 256 hidden units with dropout 0.5, momentum 0.9 throughout,
and weight decay 0.001, the smallest of Figure 5; the best model has none. That 100 % is possible with sufficient epochs
is no claim, since the report names no number of them.
"""

from study import Study, about_published, above

STUDY = Study(
    title="Improvements",
    figure=12,
    arms={
        "vanilla": {},
        "dropout": {"fc_layers": 2, "dropout": 0.5},
        "dropout, momentum, decay": {
            "fc_layers": 2, "dropout": 0.5, "momentum": 0.9, "weight_decay": 0.001,
        },
        "best": {"fc_layers": 2, "dropout": 0.5, "momentum": 0.9, "width": 100, "epochs": 10},
    },
    published={
        "vanilla": 96.960,
        "dropout": 97.200,
        "dropout, momentum, decay": 97.460,
        "best": {"test_accuracy": 97.890, "best_test_accuracy": 98.320, "test_top5": 100.0},
    },
    claims=[
        above("train_accuracy", "With dropout the training accuracy is lower.", "vanilla", "dropout"),
        above("test_accuracy", "With dropout the test accuracy is higher.", "dropout", "vanilla"),
        above(
            "test_accuracy", "Momentum and weight decay further bump the test accuracy.",
            "dropout, momentum, decay", "dropout",
        ),
        about_published("Vanilla gives 96.960, dropout 97.200.", "vanilla", "dropout"),
        about_published("Momentum and weight decay give 97.460.", "dropout, momentum, decay"),
        about_published("The best model has a test accuracy of 97.890.", "best", metric="test_accuracy"),
        about_published("Its best test accuracy in 10 epochs was 98.320.", "best", metric="best_test_accuracy"),
        # Of 10,000 images one is 0.01 points.
        about_published("Its top-5 test accuracy is 100%.", "best", metric="test_top5", margin=0.05),
    ],
)  # fmt: skip
