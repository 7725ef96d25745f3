"""Which kernel, learning rate and width does the report's baseline have (Figure 1)?

`study infer kernels` compares each with the published 97.220.
"""

from study import Study

ARMS = {
    "3x3, lr 0.1": {},
    "5x5": {"kernel_size": 5},
    "7x7": {"kernel_size": 7},
    "lr 0.05": {"lr": 0.05},
    "lr 0.2": {"lr": 0.2},
    "25 channels": {"width": 25},
    "100 channels": {"width": 100},
}

STUDY = Study(title="Kernels", arms=ARMS, published=dict.fromkeys(ARMS, 97.220))
