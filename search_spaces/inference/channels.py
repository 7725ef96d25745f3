"""How many channels has the first convolution of Figure 8's networks, of one, two and three of them?

`study infer channels --by width` compares each number with the three published values; each further convolution has
twice as many.
"""

from study import Study

PUBLISHED = {1: 93.820, 2: 96.560, 3: 97.560}
WIDTHS = (12, 25, 50, 100)

ARMS = {
    f"{layers} convolutions, width {width}": {"conv_layers": layers, "width": width}
    for width in WIDTHS
    for layers in PUBLISHED
}

STUDY = Study(
    title="Channels",
    arms=ARMS,
    published={label: PUBLISHED[arm["conv_layers"]] for label, arm in ARMS.items()},
)
