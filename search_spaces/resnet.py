"""Figure 11: does a deeper ResNet learn better in one epoch?

The report gives four accuracies. Inferred: that they belong to ResNet-18, 34, 50 and 101, and that all else
is its baseline. The networks are torchvision's, with a first convolution of 1 channel and 10 classes.
"""

from ray import tune

from study import Study, about_published, above

STUDY = Study(
    title="State of the Art: ResNet",
    figure=11,
    scientific={"model": tune.grid_search(["resnet18", "resnet34", "resnet50", "resnet101"])},
    published={"resnet18": 97.870, "resnet34": 96.810, "resnet50": 97.950, "resnet101": 97.630},
    claims=[
        about_published("Test accuracies are 97.870, 96.810, 97.950 and 97.630."),
        above(
            "train_accuracy", "ResNet-101 achieves faster training than ResNet-50 initially.",
            "resnet101", "resnet50", first=100,
        ),
    ],
)  # fmt: skip
