"""Figure 1: how well does the simple convolutional network do after one epoch?

Two convolutions with 50 and 100 filters, 2x2 max pooling, one fully connected layer, cross-entropy, batches
of 128, plain stochastic gradient descent: this much the report says. Inferred, by training until the
published accuracies were met (docs/recipe.md): 3x3 kernels with padding 1, learning rate 0.1 without
momentum, pixels scaled to [0, 1] and not standardised, PyTorch's default initialisation.
"""

from study import Study, about_published, levels_off

STUDY = Study(
    title="Simple Convolutional Neural Network",
    figure=1,
    arms={"baseline": {}},
    published={"baseline": 97.220},
    claims=[
        about_published("Validation accuracy on the test set is 97.220%."),
        levels_off("train_accuracy", "Accuracy saturates after 1 epoch on the simple MNIST dataset."),
    ],
)
