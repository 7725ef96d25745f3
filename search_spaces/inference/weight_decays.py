"""Which momentum and weight decay has Figure 12's third model, which the report calls "momentum and weight decay"?

`study infer weight_decays` compares each with the published 97.460.
"""

from study import Study

ARMS = {
    f"momentum {momentum:g}, decay {decay:g}": {"momentum": momentum, "weight_decay": decay}
    for momentum in (0.5, 0.9)
    for decay in (0.001, 0.002, 0.003, 0.005, 0.007, 0.01)
}

STUDY = Study(
    title="Weight Decays",
    fixed={"fc_layers": 2, "dropout": 0.5},
    arms=ARMS,
    published=dict.fromkeys(ARMS, 97.460),
)
