"""Words, flags and numbers that no command can follow."""

from __future__ import annotations

from bad_input import GOOD, Case

TOO_MANY = "no node has them"

CASES = [
    Case("no-command", "nope", "No such command 'nope'"),
    Case("near-command", "tunee", "No such command 'tunee'"),
    Case("no-study", "tune", "Missing argument"),
    Case("unknown-flag", "tune good.py --sedes 3", "No such option: --sedes"),
    Case("flag-without-value", "plan good.py --seeds", "'--seeds' requires an argument"),
    Case("list-with-word", "list good.py", "unexpected extra argument"),
    Case("seeds-0", "plan good.py --seeds 0", "seeds = 0: at least 1"),
    Case("seeds-negative", "plan good.py --seeds -3", "seeds = -3"),
    Case("seeds-huge", "plan good.py --seeds 1000000000", "seeds = 1,000,000,000: at most 10,000"),
    Case("seeds-absurd", f"plan good.py --seeds {'9' * 40}", "at most 10,000 are allowed"),
    Case("seeds-fraction", "plan good.py --seeds 1.5", "Invalid value for '--seeds'"),
    Case("seeds-text", "plan good.py --seeds three", "Invalid value for '--seeds'"),
    Case("seeds-nan", "plan good.py --seeds nan", "Invalid value for '--seeds'"),
    Case("seeds-0-tune", "tune good.py --seeds 0", "seeds = 0: at least 1"),
    Case("max-seeds-alone", "tune good.py --max-seeds 9", "--max-seeds) goes with until_decided"),
    Case("max-seeds-2", "tune good.py --until-decided --max-seeds 2", "Invalid value for '--max-seeds'"),
    Case(
        "seeds-above-max", "tune good.py --until-decided --seeds 40", "at most 30 seeds are allowed, and 40"
    ),
    Case(
        "until-decided-huge", "tune good.py --until-decided --max-seeds 99999 --seeds 50000", "at most 10,000"
    ),
    Case("until-decided-asha", "tune good.py --until-decided --scheduler asha", "leave the scheduler out"),
    Case(
        "submit-max-seeds",
        "submit good.py --address http://localhost:1 --max-seeds 9",
        "--max-seeds) goes with until_decided",
    ),
    Case("epochs-0", "plan good.py --epochs 0", "epochs = 0"),
    Case("epochs-negative", "tune good.py --epochs -1", "epochs = -1"),
    Case("epochs-huge", "plan good.py --epochs 99999999999999999999", "epochs"),
    Case("epochs-fraction", "plan good.py --epochs 0.5", "Invalid value for '--epochs'"),
    Case(
        "precision",
        "plan good.py --precision float16",
        "precision = 'float16': allowed are float32, bfloat16",
    ),
    Case("precision-near", "plan good.py --precision bfloat", "did you mean 'bfloat16'?"),
    Case("dataset", "plan good.py --dataset cifar100", "dataset = 'cifar100'"),
    Case("dataset-near", "plan good.py --dataset minst", "did you mean 'mnist'?"),
    Case("dataset-empty", ["plan", "good.py", "--dataset", ""], "dataset = ''"),
    Case("dataset-path", "plan good.py --dataset ./data", "dataset = './data'"),
    Case("gpus-1.5", "plan good.py --gpus-per-trial 1.5", "gpus_per_trial = '1.5': give auto, 0, a fraction"),
    Case("gpus-negative", "plan good.py --gpus-per-trial -0.5", "gpus_per_trial = '-0.5': give auto"),
    Case("gpus-nan", "plan good.py --gpus-per-trial nan", "gpus_per_trial = 'nan'"),
    Case("gpus-inf", "plan good.py --gpus-per-trial inf", "gpus_per_trial = 'inf'"),
    Case("gpus-text", "plan good.py --gpus-per-trial many", "gpus_per_trial = 'many'"),
    Case("gpus-too-many", "plan good.py --gpus-per-trial 64", TOO_MANY),
    Case("gpus-tiny", "plan good.py --gpus-per-trial 1e-300", "--gpus-per-trial"),
    Case("cpus-0", "plan good.py --cpus-per-trial 0", "cpus_per_trial = 0.0: give a whole number"),
    Case("cpus-fraction", "plan good.py --cpus-per-trial 0.5", "cpus_per_trial = 0.5: give a whole number"),
    Case("cpus-negative", "plan good.py --cpus-per-trial -1", "cpus_per_trial = -1.0: give a whole number"),
    Case("cpus-nan", "plan good.py --cpus-per-trial nan", "cpus_per_trial = nan"),
    Case("cpus-inf", "plan good.py --cpus-per-trial inf", "cpus_per_trial = inf"),
    Case("cpus-text", "plan good.py --cpus-per-trial two", "Invalid value for '--cpus-per-trial'"),
    Case("cpus-too-many", "plan good.py --cpus-per-trial 9999", TOO_MANY),
    Case(
        "tune-cpus-fraction", "tune good.py --cpus-per-trial 0.5", "cpus_per_trial = 0.5: give a whole number"
    ),
    Case("tune-gpus-1.5", "tune good.py --gpus-per-trial 1.5", "gpus_per_trial = '1.5'"),
    Case("tune-gpus-text", "tune good.py --gpus-per-trial many", "gpus_per_trial = 'many'"),
    Case("dry-run-gpus-1.5", "tune good.py --dry-run --gpus-per-trial 1.5", "gpus_per_trial = '1.5'"),
    Case("dry-run-cpus-0", "tune good.py --dry-run --cpus-per-trial 0", "cpus_per_trial = 0.0"),
    Case("tune-cpus-too-many", "tune good.py --cpus-per-trial 9999", TOO_MANY),
    Case("tune-gpus-too-many", "tune good.py --gpus-per-trial 64", TOO_MANY),
    Case("concurrent-0", "tune good.py --max-concurrent 0", "Invalid value for '--max-concurrent'"),
    Case("concurrent-negative", "tune good.py --max-concurrent -2", "Invalid value for '--max-concurrent'"),
    Case("concurrent-fraction", "tune good.py --max-concurrent 1.5", "Invalid value for '--max-concurrent'"),
    Case(
        "checkpoint-negative", "tune good.py --checkpoint-every -1", "Invalid value for '--checkpoint-every'"
    ),
    Case("checkpoint-nan", "tune good.py --checkpoint-every nan", "--checkpoint-every"),
    Case(
        "checkpoint-text", "tune good.py --checkpoint-every often", "Invalid value for '--checkpoint-every'"
    ),
    Case("scheduler", "tune good.py --scheduler pbt", "scheduler = 'pbt': allowed are asha"),
    Case(
        "scheduler-of-two",
        "tune good.py two.py --scheduler asha",
        "give one study at a time",
        {"two.py": GOOD},
    ),
    Case(
        "address-nonsense",
        ["tune", "good.py", "--address", "not an address"],
        "No Ray cluster answers at",
        lines=3,
    ),
    Case("address-scheme", "tune good.py --address ftp://x", "No Ray cluster answers at ftp://x", lines=3),
    Case(
        "load-seconds", "plan good.py", "STUDY_LOAD_SECONDS=soon", environment={"STUDY_LOAD_SECONDS": "soon"}
    ),
    Case(
        "load-seconds-negative",
        "plan good.py",
        "STUDY_LOAD_SECONDS=-1",
        environment={"STUDY_LOAD_SECONDS": "-1"},
    ),
    Case("status-absent", "status absent", "No study 'absent' was run in"),
    Case("status-flag", "status --seeds 3", "No such option: --seeds"),
    Case("status-file-storage", "status --storage good.py", "is a file, not a folder"),
    Case("report-nothing", "report", "No study that can be read was run in"),
    Case("report-absent", "report absent", "No study 'absent' was run in"),
    Case("verify-nothing", "verify", "No study that can be read was run in"),
    Case("verify-absent", "verify absent --storage nowhere", "No study 'absent' was run in"),
    Case("compare-one", "compare a", "Missing argument 'B'"),
    Case("compare-three", "compare a b c", "unexpected extra argument"),
    Case("compare-absent", "compare a b", "No study 'a' was run in"),
    Case("compare-folder-and-name", "compare . absent", "absent is no storage"),
    Case(
        "compare-empty-folders",
        "compare x y",
        "No study that can be read was run in",
        make=lambda folder: [(folder / name).mkdir() for name in "xy"],
    ),
]
