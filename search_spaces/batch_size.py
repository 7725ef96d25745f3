"""Figure 3: do smaller batches learn more in one epoch?

The report names 2048, and 128 is its baseline; 32 and 512 are inferred, as the powers of four around them. Stability is
compared where it can be: 30 batches of 2048 are too few to be cut into equal parts. That larger batches mean less
overhead for each image is about the machine, not about results: docs/performance.md has the speeds.
"""

from ray import tune

from study import Study, above, below, rougher

STUDY = Study(
    title="Batch Size",
    figure=3,
    scientific={"batch_size": tune.grid_search([32, 128, 512, 2048])},
    claims=[
        above(
            "train_accuracy", "A batch size of 2048 has a higher accuracy per iteration.",
            2048, 32, 128, 512, first=30,
        ),
        below(
            "test_accuracy", "By the end of 1 epoch, the accuracy of smaller batch sizes far exceeds it.",
            2048, 32, 128, 512, margin=5.0,
        ),
        rougher(
            "train_accuracy", "Too small a batch size gives more unstable training.", 32, 128, 512
        ),
    ],
)  # fmt: skip
