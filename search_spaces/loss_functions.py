"""Figure 7: does weighing the classes by their counts matter on MNIST?

The weight of class c is 60000 / n_c / 10, the report's; it gives no accuracies, only "1% or less".
"""

from ray import tune

from study import Study, either_way, equivalent

STUDY = Study(
    title="Loss Functions",
    figure=7,
    scientific={"loss": tune.grid_search(["cross_entropy", "balanced_cross_entropy"])},
    claims=[
        equivalent("test_accuracy", "Accuracies are within the margin of 1% or less.", margin=1.0),
        either_way(
            "test_accuracy",
            "One may be better than the other on some runs, and vice versa.",
            "cross_entropy",
            "balanced_cross_entropy",
        ),
    ],
)
