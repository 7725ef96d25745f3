"""Figure 6: which optimizer gives the best accuracy in one epoch?

The report names the optimizers. Inferred: momentum 0.9, as in its other studies; Adagrad and Adam with
PyTorch's default rates 0.01 and 0.001, which give the published accuracies.
"""

from study import Study, about_published, decreasing

STUDY = Study(
    title="Optimizers",
    figure=6,
    arms={
        "SGD, momentum 0.9": {"optimizer": "sgd", "momentum": 0.9},
        "Adagrad": {"optimizer": "adagrad", "lr": 0.01},
        "Adam": {"optimizer": "adam", "lr": 0.001},
    },
    published={"SGD, momentum 0.9": 98.310, "Adagrad": 97.340, "Adam": 97.950},
    claims=[
        decreasing(
            "test_accuracy",
            "SGD gives the best performance, followed by Adam and then Adagrad.",
            "SGD, momentum 0.9",
            "Adam",
            "Adagrad",
            each_step=True,
        ),
        about_published("Test accuracies are 98.310, 97.950 and 97.340."),
    ],
)
