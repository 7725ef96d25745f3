"""Figure 9: do more fully connected layers learn better?

The report gives three accuracies; 1, 2 and 3 linear layers with 256 hidden units are inferred (500 and 1000
units give about the same).
"""

from ray import tune

from study import Study, about_published, decreasing, increasing

STUDY = Study(
    title="Network Depth: Fully Connected Layers",
    figure=9,
    scientific={"fc_layers": tune.grid_search([1, 2, 3])},
    fixed={"fc_width": 256},
    published={1: 97.280, 2: 97.090, 3: 96.440},
    claims=[
        decreasing("test_accuracy", "Test accuracy drops as more fully connected layers are added."),
        # The pattern is that of the sentence before, on convolutions: slower at first, then a higher accuracy.
        decreasing(
            "train_accuracy", "They present a similar pattern with respect to training speed.", first=50
        ),
        increasing("train_accuracy", "They present a similar pattern with respect to training accuracy."),
        increasing(
            "train_accuracy", "More fully connected layers may result in overfitting to the training set.",
            minus="test_accuracy",
        ),
        about_published("Test accuracies are 97.280, 97.090 and 96.440."),
    ],
)  # fmt: skip
