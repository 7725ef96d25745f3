"""`--set KEY=VALUE` with keys and values that no training has."""

from __future__ import annotations

from bad_input import Case


def setting(id: str, pair: str, said: str, **more) -> Case:
    return Case(f"set-{id}", ["plan", "good.py", "--set", pair], said, lines=1, **more)


CASES = [
    setting("no-equals", "lr", "--set lr: write KEY=VALUE"),
    setting("empty", "", "write KEY=VALUE"),
    setting("no-key", "=3", "has no hyperparameter ''"),
    setting("no-value", "lr=", "lr = ''"),
    setting("unknown", "lrr=1", "did you mean 'lr'?"),
    setting("unknown-far", "zzz=1", "has no hyperparameter 'zzz'"),
    setting("dash", "batch-size=3", "did you mean 'batch_size'?"),
    setting("space", " lr=3", "did you mean 'lr'?"),
    setting("seed", "seed=1", "--seeds N runs the seeds 0 to N-1"),
    setting("arm-field", "width=3", "width is what its arms set"),
    setting("lr-negative", "lr=-1", "lr = -1"),
    setting("lr-zero", "lr=0", "lr = 0"),
    setting("lr-text", "lr=fast", "lr = 'fast'"),
    setting("lr-quoted", 'lr="0.1"', "lr = '0.1'"),
    setting("lr-nan", "lr=NaN", "lr = nan"),
    setting("lr-inf", "lr=Infinity", "lr = inf"),
    setting("lr-overflow", "lr=1e999", "lr = inf"),
    setting("lr-null", "lr=null", "lr = None"),
    setting("lr-true", "lr=true", "lr = True"),
    setting("lr-list", "lr=[0.1, 0.2]", "lr = [0.1, 0.2]"),
    setting("lr-object", 'lr={"grid_search": [1]}', "lr = {'grid_search': [1]}"),
    setting("lr-expression", "lr=1/10", "lr = '1/10'"),
    setting("momentum-1", "momentum=1", "momentum = 1"),
    setting(
        "momentum-adam",
        "momentum=0.9",
        "adam has none",
        files={
            "good.py": "from study import Study\nSTUDY = Study(title='a',"
            " arms={'a': {'optimizer': 'adam'}, 'b': {}}, fixed={'dataset': 'digits'})"
        },
    ),
    setting("dropout-1", "dropout=1", "dropout = 1"),
    setting("dropout-alone", "dropout=0.5", "fc_layers must be >= 2"),
    setting("weight-decay", "weight_decay=-0.1", "weight_decay = -0.1"),
    setting("smoothing", "label_smoothing=1.0", "label_smoothing = 1.0"),
    setting("batch-0", "batch_size=0", "batch_size = 0"),
    setting("batch-fraction", "batch_size=32.5", "batch_size = 32.5"),
    setting("batch-float", "batch_size=32.0", "batch_size = 32.0"),
    setting("batch-beyond-64-bit", "batch_size=" + "9" * 30, "batch_size = 999"),
    setting("batch-5000-digits", "batch_size=" + "9" * 5000, "batch_size"),
    setting("layers-5", "conv_layers=5", "allowed: 1 to 4"),
    setting("layers-huge", "conv_layers=1000000000000", "conv_layers = 1000000000000"),
    setting("kernel-even", "kernel_size=4", "kernel_size = 4: must be odd"),
    setting("kernel-large", "kernel_size=29", "kernel_size = 29"),
    setting("fc-layers", "fc_layers=65", "fc_layers = 65"),
    setting("fc-width", "fc_width=0", "fc_width = 0"),
    setting("nesterov-number", "nesterov=1", "nesterov = 1"),
    setting("nesterov-capital", "nesterov=True", "nesterov = 'True'"),
    setting("nesterov-alone", "nesterov=true", "needs optimizer 'sgd' and a momentum"),
    setting("optimizer", "optimizer=sgdd", "did you mean 'sgd'?"),
    setting("optimizer-capital", "optimizer=SGD", "optimizer = 'SGD'"),
    setting("loss", "loss=hinge", "loss = 'hinge': allowed are"),
    setting("model", "model=resnet19", "did you mean 'resnet18'?"),
    setting("model-list", 'model=["cnn"]', "model = ['cnn']"),
    setting("model-absent-module", "model=nowhere:network", "module 'nowhere' can't be imported"),
    setting("model-no-function", "model=json:absent", "has no function 'absent'"),
    setting("model-builtin", "model=sys:exit", "has no source file"),
    setting("model-odd", "model=:f", "model = ':f'"),
    setting("epochs-text", "epochs=one", "epochs = 'one'"),
    setting("validation-negative", "validation_size=-1", "validation_size = -1"),
    setting("validation-all", "validation_size=1437", "digits has 1,437 training images"),
    setting("validation-more", "validation_size=100000", "digits has 1,437 training images"),
    setting("validation-not-whole", "validation_size=0.2", "validation_size = 0.2"),
    setting("lone-surrogate", 'dataset="\\ud800"', "dataset ="),
    setting("long-value", "dataset=" + "x" * 100_000, "dataset = 'xxx"),
    setting("deep-value", "lr=" + "[" * 100_000, "lr ="),
    setting("control", "lr=\x1b[2J", r"lr = '\x1b[2J'"),
    Case(
        "set-twice", ["plan", "good.py", "--set", "lr=0.1", "--set", "lr=0.2"], "lr is given twice", lines=1
    ),
    Case("set-and-flag", ["plan", "good.py", "--set", "epochs=1", "--epochs", "2"], "epochs", lines=1),
    Case("set-two-mistakes", ["plan", "good.py", "--set", "lr=-1", "--set", "epochs=0"], "epochs = 0"),
    Case(
        "dry-run-validation",
        "tune good.py --dry-run --set validation_size=1437",
        "has 1,437 training images",
        lines=1,
    ),
    Case("tune-validation", "tune good.py --set validation_size=1437", "has 1,437 training images", lines=2),
    Case(
        "resnet-batch-of-one",
        "plan good.py --set batch_size=1436 --set model=resnet18",
        "leaves a batch of one",
    ),
]
