"""Figure 5: what does weight decay cost in accuracy?

The report gives four accuracies; that they belong to 0.001, 0.01, 0.1 and 1.0 is inferred from training.
"""

from ray import tune

from study import Study, about_published, decreasing, happens

STUDY = Study(
    title="L2 Regularization",
    figure=5,
    scientific={"weight_decay": tune.grid_search([0.001, 0.01, 0.1, 1.0])},
    published={0.001: 96.670, 0.01: 95.380, 0.1: 90.570, 1.0: 11.350},
    claims=[
        decreasing("test_accuracy", "Higher weight decay results in lower accuracy on the test set."),
        decreasing("train_accuracy", "Higher weight decay results in lower accuracy on the training set."),
        about_published("Test accuracies are 96.670, 95.380, 90.570 and 11.350."),
        happens("one_class", "The largest factor leaves 11.350, the share of one class.", 1.0),
    ],
)
