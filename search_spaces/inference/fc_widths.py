"""How many hidden units have the report's linear layers (Figures 9 and 12)?

`study infer fc_widths --by fc_width` compares each number with three published values: of two and of three linear
layers, and of two with dropout.
"""

from study import Study

PUBLISHED = {"2 layers": 97.090, "3 layers": 96.440, "2 layers, dropout": 97.200}
SETTINGS = {
    "2 layers": {"fc_layers": 2},
    "3 layers": {"fc_layers": 3},
    "2 layers, dropout": {"fc_layers": 2, "dropout": 0.5},
}
WIDTHS = (64, 128, 256, 512, 1024)

STUDY = Study(
    title="Hidden Widths",
    arms={
        f"{label}, {width} units": {**setting, "fc_width": width}
        for width in WIDTHS
        for label, setting in SETTINGS.items()
    },
    published={f"{label}, {width} units": value for width in WIDTHS for label, value in PUBLISHED.items()},
)
