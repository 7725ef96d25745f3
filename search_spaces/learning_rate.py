"""Figure 2: which learning rate reaches the best accuracy in one epoch?

The three rates are the report's; it gives no test accuracies.
"""

from ray import tune

from study import Study, above, drops, slower_at_first

STUDY = Study(
    title="Learning Rate",
    figure=2,
    scientific={"lr": tune.grid_search([0.01, 0.1, 1.0])},
    claims=[
        above("test_accuracy", "A learning rate of 0.1 gives the best accuracy.", 0.1, 0.01, 1.0),
        slower_at_first("A learning rate of 0.01 results in slower learning.", 0.01, 0.1, iterations=100),
        drops("At 1.0 training starts smoothly, then abruptly drops and becomes stuck.", 1.0),
    ],
)
