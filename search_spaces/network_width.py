"""Figure 10: does a wider network learn better in one epoch?

The first convolution has `width` channels, the second twice as many. The report's legend gives the four
widths; everything else is its baseline.
"""

from ray import tune

from study import Study, about_published, increasing

STUDY = Study(
    title="Network Width",
    figure=10,
    scientific={"width": tune.grid_search([12, 25, 50, 100])},
    published={12: 95.170, 25: 96.280, 50: 96.870, 100: 97.430},
    claims=[
        increasing("test_accuracy", "More channels definitely have a positive impact on the accuracy."),
        about_published("Test accuracies are 95.170, 96.280, 96.870 and 97.430."),
    ],
)
