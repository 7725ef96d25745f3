"""Figure 5: what does weight decay cost in accuracy?

The report gives four accuracies; that they belong to 0.001, 0.01, 0.1 and 1.0 is inferred from training. The last is
what a network has that answers 1 for every image; which class that is, is a matter of luck, so the claim is about the
collapse. That more epochs may be required is a claim of more_epochs.
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
        about_published("Test accuracies are 96.670, 95.380 and 90.570.", 0.001, 0.01, 0.1),
        happens("one_class", "Of the largest factor the accuracy on the test set is 11.350.", 1.0),
    ],
)
