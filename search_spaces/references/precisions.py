"""Does training in bfloat16 change what is found?

Not in the report. Each network is trained in both precisions with the same seeds: a difference of less than 0.2 points
of test accuracy is none that a verdict on the report turns on. It is for processors that have instructions for
bfloat16; on others it is emulated, and slow.
"""

from study import Study, equivalent

STUDY = Study(
    title="Precisions",
    arms={
        "baseline, float32": {"precision": "float32"},
        "baseline, bfloat16": {"precision": "bfloat16"},
        "ResNet-18, float32": {"model": "resnet18", "precision": "float32"},
        "ResNet-18, bfloat16": {"model": "resnet18", "precision": "bfloat16"},
    },
    claims=[
        equivalent(
            "test_accuracy", "bfloat16 gives the baseline's accuracy.",
            "baseline, bfloat16", "baseline, float32", margin=0.2,
        ),
        equivalent(
            "test_accuracy", "bfloat16 gives ResNet-18's accuracy.",
            "ResNet-18, bfloat16", "ResNet-18, float32", margin=0.2,
        ),
    ],
)  # fmt: skip
