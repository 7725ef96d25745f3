"""Which learning rate has Adam in Figure 6?

`study infer adam_rates` compares each with the published 97.950.
"""

from study import Study

ARMS = {f"{lr:g}": {"lr": lr} for lr in (0.0003, 0.001, 0.003)}

STUDY = Study(
    title="Rates of Adam", fixed={"optimizer": "adam"}, arms=ARMS, published=dict.fromkeys(ARMS, 97.950)
)
