"""Which dropout has Figure 12's second model?

`study infer dropouts` compares each with the published 97.200.
"""

from study import Study

ARMS = {f"{p:g}": {"dropout": p} for p in (0.1, 0.2, 0.3, 0.5, 0.7)}

STUDY = Study(title="Dropouts", fixed={"fc_layers": 2}, arms=ARMS, published=dict.fromkeys(ARMS, 97.200))
