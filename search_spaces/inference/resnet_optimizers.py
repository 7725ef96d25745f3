"""Which optimizer and learning rate have the ResNets of Figure 11?

`study infer resnet_optimizers` compares each with the published 97.870 of the first, taken as ResNet-18; the deeper
ones take four to twenty times as long.
"""

from study import Study

ARMS = {
    "SGD, lr 0.1": {},
    "SGD, lr 0.01": {"lr": 0.01},
    "SGD, lr 0.1, momentum 0.9": {"momentum": 0.9},
    "SGD, lr 0.01, momentum 0.9": {"lr": 0.01, "momentum": 0.9},
    "Adam, lr 0.001": {"optimizer": "adam", "lr": 0.001},
}

STUDY = Study(
    title="ResNets' Optimizers",
    fixed={"model": "resnet18"},
    arms=ARMS,
    published=dict.fromkeys(ARMS, 97.870),
)
