"""What do more epochs bring where one is not enough?

Beyond the report, which trains for one epoch and says of a small learning rate and of weight decay what more of them
would do. The number of 10 is that of its best model; the factor 0.01 of weight decay is the second of its Figure 5.
"""

from study import Study, above

STUDY = Study(
    title="More Epochs",
    arms={
        "baseline": {},
        "lr 0.01": {"lr": 0.01},
        "lr 0.01, 10 epochs": {"lr": 0.01, "epochs": 10},
        "decay 0.01": {"weight_decay": 0.01},
        "decay 0.01, 10 epochs": {"weight_decay": 0.01, "epochs": 10},
    },
    claims=[
        above(
            "test_accuracy", "A learning rate of 0.01 is expected to reach the same accuracy with more epochs.",
            "lr 0.01, 10 epochs", "baseline",
        ),
        above(
            "train_accuracy", "Weight decay may require more epochs to achieve high accuracy on the training set.",
            "decay 0.01, 10 epochs", "decay 0.01",
        ),
        above(
            "test_accuracy", "Weight decay may require more epochs to achieve high accuracy on the test set.",
            "decay 0.01, 10 epochs", "decay 0.01",
        ),
    ],
)  # fmt: skip
