"""Which learning rate has SGD in Figure 6?

`study infer sgd_rates` compares each with the published 98.310.
"""

from study import Study

ARMS = {f"{lr:g}": {"lr": lr} for lr in (0.01, 0.03, 0.1, 0.2)}

STUDY = Study(title="Rates of SGD", fixed={"momentum": 0.9}, arms=ARMS, published=dict.fromkeys(ARMS, 98.310))
