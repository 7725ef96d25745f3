"""Networks that others publish for MNIST."""

from torch import nn


def keras_convnet(config, shape, classes):
    """Two convolutions without padding, each with a pooling, then dropout; weights begin as Keras' do (Glorot)."""
    channels, height, width = shape
    sides = [((side - 2) // 2 - 2) // 2 for side in (height, width)]
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * sides[0] * sides[1], classes),
    )  # fmt: skip
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


def pytorch_example(shape, classes):
    """Two convolutions without padding, one pooling, and a hidden layer; the first dropout leaves out whole channels.

    As it was when its accuracy was measured: later versions have a ReLU after the second convolution too.
    """
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.Dropout2d(0.25),
        nn.Flatten(), nn.Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, classes),
    )  # fmt: skip
