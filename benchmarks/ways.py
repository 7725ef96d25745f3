"""The ways to run the network-width study that are compared, their settings, and their images."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processes import Measured, run

from study.store.trial_store import TrialStore

HERE = Path(__file__).parent
STUDY = HERE.parent / "search_spaces" / "network_width.py"
CORES = len(os.sched_getaffinity(0))
ARMS = 4
# Ray sends usage reports otherwise, which is neither training nor wanted here.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Way:
    """A way to run the study: a script of peers/ with its settings, or `study` itself."""

    tool: str
    precision: str = "float32"
    settings: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.tool}, {self.precision}"

    def measured(self, folder: Path, seeds: int) -> tuple[Measured, list[dict[str, float]]]:
        """What it took on the images of this folder, and its trials: width, accuracy, seconds, threads."""
        words = ["--seeds", str(seeds), "--precision", self.precision]
        if self.tool == "study":
            with tempfile.TemporaryDirectory() as storage:
                words += ["--storage", storage, "--data-dir", str(folder)]
                of = run([sys.executable, "-m", "study", "tune", str(STUDY), *words], **ENVIRONMENT)
                store = TrialStore(storage)
                results = [store.result(key) for key in store.states().finished]
            return of, [
                {
                    "width": result["config"]["width"],
                    "accuracy": result["metrics"]["test_accuracy"],
                    "seconds": result["provenance"]["training_seconds"],
                    "threads": result["provenance"]["threads"],
                }
                for result in results
            ]
        words += ["--data", str(folder)]
        words += [word for name, value in self.settings.items() for word in (f"--{name}", f"{value:g}")]
        of = run([sys.executable, str(HERE / "peers" / f"{self.tool}.py"), *words], **ENVIRONMENT)
        threads = self.settings.get("cpus", self.settings.get("threads", CORES))
        return of, [{**trial, "threads": threads} for trial in json.loads(of.output.splitlines()[-1])]


def candidates(gpus: int) -> Iterator[Way]:
    """The peers with the settings that a good user would try on this machine."""
    shares = [1, 1 / 2, 1 / 4, 1 / 8] if gpus else [0]
    for workers in (0, 1):
        yield Way("sequential", settings={"workers": workers})
        for threads in sorted({1, max(1, CORES // ARMS), CORES}):
            settings = {"workers": workers, "threads": threads, "jobs": CORES // threads}
            yield Way("optuna_study", settings=settings)
            if not gpus:
                yield Way("ray_tune", settings={"workers": workers, "cpus": threads})
        for share in shares if gpus else ():
            yield Way("ray_tune", settings={"workers": workers, "cpus": 1, "gpus": share})


def first_images(folder: Path, images: int, into: Path) -> Path:
    """A folder with the first `images` images of MNIST's training set and a sixth as many of its test set."""
    raw = into / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", images), ("t10k", max(1, images // 6))):
        for kind, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{part}-{kind}-ubyte"
            whole = (folder / "MNIST" / "raw" / name).read_bytes()
            count = min(count, (len(whole) - header) // size)
            counted = whole[:4] + count.to_bytes(4, "big") + whole[8:header]
            (raw / name).write_bytes(counted + whole[header : header + count * size])
    return into


def images_in(folder: Path, part: str = "train") -> int:
    """How many images the folder has."""
    with (folder / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte").open("rb") as file:
        return int.from_bytes(file.read(8)[4:], "big")
