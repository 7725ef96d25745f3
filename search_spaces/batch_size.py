"""Figure 3: do smaller batches learn more in one epoch?

The report names 2048, and 128 is its baseline; 32 and 512 are inferred, as the powers of four around them.
"""

from ray import tune

from study import Study, above, higher_at_same_iteration, less_stable

STUDY = Study(
    title="Batch Size",
    figure=3,
    scientific={"batch_size": tune.grid_search([32, 128, 512, 2048])},
    claims=[
        higher_at_same_iteration(
            "A batch size of 2048 has a higher accuracy per iteration.", 2048, 32, 128, 512, iterations=30
        ),
        above("test_accuracy", "By the end, smaller batches far exceed 2048.", 32, 2048),
        above("test_accuracy", "By the end, smaller batches far exceed 2048.", 128, 2048),
        above("test_accuracy", "By the end, smaller batches far exceed 2048.", 512, 2048),
        less_stable("Too small a batch size gives more unstable training.", 32, 2048),
    ],
)
