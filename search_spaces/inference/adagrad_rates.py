"""Which learning rate has Adagrad in Figure 6?

`study infer adagrad_rates` compares each with the published 97.340.
"""

from study import Study

ARMS = {f"{lr:g}": {"lr": lr} for lr in (0.003, 0.01, 0.03)}

STUDY = Study(
    title="Rates of Adagrad", fixed={"optimizer": "adagrad"}, arms=ARMS, published=dict.fromkeys(ARMS, 97.340)
)
