"""The report's twelve studies under `study` and as a plain loop over their arms, on few images, in turn.

    python benchmarks/report.py                                      # 2,000 images, float32
    python benchmarks/report.py --images 6000 --precision bfloat16

`study` trains a config that several studies have once, and takes faster steps: both factors are told apart by
what its own trials took. Both tools train and test on the same images; seed 0 alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from processes import run
from ways import CORES, ENVIRONMENT, HERE, first_images

from study.declare.data import default_folder
from study.images import data
from study.store.trial_store import TrialStore, keys_of

STUDIES = sorted(
    path
    for path in (HERE.parent / "search_spaces").glob("*.py")
    if path.stem not in ("more_epochs", "optimizers_tuned")
)


def main() -> None:
    """Print wall times, their ratio, and where it comes from."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--images", type=int, default=2_000, help="the first of the training set")
    words.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    words.add_argument("--data", type=Path, default=default_folder(), help="folder that has MNIST/raw")
    given = words.parse_args()
    data.fingerprint("mnist", given.data)  # downloads what is missing
    with tempfile.TemporaryDirectory() as temporary:
        folder = first_images(given.data.absolute(), given.images, Path(temporary, "data"))
        storage = str(Path(temporary, "results"))
        ours = [
            "--seeds",
            "1",
            "--precision",
            given.precision,
            "--storage",
            storage,
            "--data-dir",
            str(folder),
        ]
        began = time.time()
        of_study = run([sys.executable, "-m", "study", "tune", *map(str, STUDIES), *ours], **ENVIRONMENT)
        store = TrialStore(storage)
        keys = [key for name in store.studies() for key in keys_of(store.study(name))]
        results = {key: store.result(key) for key in set(keys)}
        plain = [str(HERE / "peers/report.py"), "--data", str(folder), "--precision", "float32"]
        of_loop = run([sys.executable, *plain], **ENVIRONMENT)
    loop = json.loads(of_loop.output.splitlines()[-1])

    def core_seconds(key: str) -> float:
        of: dict[str, float] = results[key]["provenance"]
        return of["training_seconds"] * of["threads"]

    def of_networks(resnet: bool) -> str:
        """Seconds of cores that all arms with such networks take in both tools, and the ratio."""
        kind = [key for key in keys if results[key]["config"]["model"].startswith("resnet") == resnet]
        in_study = sum(map(core_seconds, kind))
        in_loop = sum(of["seconds"] * CORES for of in loop if of["model"].startswith("resnet") == resnet)
        return f"{in_study:8.1f} s in study, {in_loop:8.1f} s in the loop, ratio {in_loop / in_study:.2f}"

    def moments(what: str) -> list[float]:
        of_trials = (result["provenance"][what] for result in results.values())
        return [datetime.fromisoformat(moment).timestamp() - began for moment in of_trials]

    start, end = min(moments("started")), of_study.seconds - max(moments("ended"))
    training = sum(map(core_seconds, results))
    shared = sum(map(core_seconds, keys)) / training
    ratio = of_loop.seconds / of_study.seconds
    accuracies = {
        "study": [
            of["metrics"]["test_accuracy"] for of in map(results.get, keys) if of["status"] == "finished"
        ],
        "loop": [of["accuracy"] for of in loop],
    }
    print(f"{given.images:,} images, {CORES} cores; study in {given.precision}, the loop in float32")
    print(f"study            {of_study.seconds:8.1f} s   {len(results)} trials for {len(keys)} arms")
    print(f"  training       {training / CORES:8.1f} s   on all cores")
    print(f"  start and end  {start:8.1f} s   and {end:.1f} s")
    print(f"a plain loop     {of_loop.seconds:8.1f} s   {len(loop)} trainings")
    print(f"ratio            {ratio:8.2f}     sharing trials {shared:.2f}, all else {ratio / shared:.2f}")
    print("core-seconds of training all arms, none shared, evaluation included:")
    print(f"  CNNs           {of_networks(resnet=False)}")
    print(f"  ResNets        {of_networks(resnet=True)}")
    for tool, of in accuracies.items():
        print(f"mean accuracy    {statistics.mean(of):8.3f}     {tool}")


if __name__ == "__main__":
    main()
