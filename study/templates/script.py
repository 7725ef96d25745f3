"""Which step size does the script NAME_train.py want?"""

from ray import tune

import study

train = study.command(
    "python NAME_train.py --lr {lr} --seed {seed}",
    study.lower("loss"),
    config={"lr": 0.1},
    # It prints lines such as `step 3 loss 0.25`. A script that prints JSON, {"loss": 0.25}, needs no `read`.
    read={"loss": r"loss (\S+)"},
)

STUDY = study.Study(
    title="Step Size",
    training=train,
    scientific={"lr": tune.grid_search([0.01, 0.1, 0.5])},
    seeds=5,
    claims=[study.decreasing("loss", "A larger step gives a lower loss.")],
)
