"""Which momentum have the networks of Figure 5, on weight decay?

`study infer momenta --by momentum` compares each with three published values; the fourth, of a network that answers one
class, is any momentum's.
"""

from study import Study

PUBLISHED = {0.001: 96.670, 0.01: 95.380, 0.1: 90.570}
MOMENTA = (0.0, 0.5, 0.9)

ARMS = {
    f"decay {decay:g}, momentum {momentum:g}": {"weight_decay": decay, "momentum": momentum}
    for momentum in MOMENTA
    for decay in PUBLISHED
}

STUDY = Study(
    title="Momenta",
    arms=ARMS,
    published={label: PUBLISHED[arm["weight_decay"]] for label, arm in ARMS.items()},
)
