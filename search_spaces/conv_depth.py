"""Figure 8: do more convolutions learn better?

The report gives three accuracies; 1, 2 and 3 convolutions of 50, 100 and 200 channels are inferred from
its baseline and its doubling of widths.
"""

from ray import tune

from study import Study, about_published, decreasing, increasing

STUDY = Study(
    title="Network Depth: Convolutional Layers",
    figure=8,
    scientific={"conv_layers": tune.grid_search([1, 2, 3])},
    published={1: 93.820, 2: 96.560, 3: 97.560},
    claims=[
        decreasing("train_accuracy", "More convolutions result in slower learning initially.", first=50),
        increasing("test_accuracy", "With more convolutions the accuracy is higher."),
        about_published("Test accuracies are 93.820, 96.560 and 97.560."),
    ],
)
