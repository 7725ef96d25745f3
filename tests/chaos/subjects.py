"""The studies that are disturbed: the report's images, and a training that a user wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"

# What trials may do at their 200th step, besides training, and what is then said of them.
MISBEHAVIOURS = {
    "sleep": "took longer than --trial-timeout",
    "hang": "(tried 2 times)",
    "leak": "(tried 2 times)",
    "fail": "ArithmeticError: as it is meant to",
    "leave": "SystemExit: 7",
    "crash": "(tried 2 times)",
    "memory": "give it more with --gpus-per-trial",
    "nan": "diverged at step 200",
}
MISBEHAVIOUR = """
import ctypes
import os
import time

import torch


def sleep(model):
    time.sleep(3600)


def hang(model):
    sum(range(10**15))  # in C, where no signal is heard


def leak(model):
    with open(os.environ["CHAOS_CGROUP"], "w") as processes:
        processes.write(str(os.getpid()))
    kept = []
    while True:
        kept.append(bytearray(b"x" * 20_000_000))


def fail(model):
    raise ArithmeticError("as it is meant to")


def leave(model):
    raise SystemExit(7)


def crash(model):
    ctypes.string_at(0)


def memory(model):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def nan(model):
    with torch.no_grad():
        for weights in model.parameters():
            weights.fill_(float("nan"))
"""
NETWORKS = """
import misbehaviour
from torch import nn


class Misbehaves(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.kind = kind
        self.steps = 0

    def forward(self, images):
        self.steps += self.training
        if self.steps >= 200:
            getattr(misbehaviour, self.kind)(self)
        return self.layer(images.flatten(1))
"""
MISBEHAVING_MODEL = """
import misbehaviour
from language_model import LanguageModel


class Chaos(LanguageModel):
    class Config(LanguageModel.Config):
        what: str = ""

    def step(self, t):
        if self.config.what and t >= 199:
            getattr(misbehaviour, self.config.what)(self.model)
        return super().step(t)
"""


@dataclass(frozen=True)
class Subject:
    """A study of two arms, `chaos.py`, whose trials take a second or two.

    files: what lies in its folder besides.
    study: the text of a study file, with {title} and {arms} to fill in.
    arm: an arm by a number that both studies of a pair have in common, with {n}; `{0}` of them in a study.
    misbehaving: an arm whose trials do what {kind} names.
    measured: what is said of a trial that has finished.
    """

    files: dict[str, str]
    study: str
    arm: str
    misbehaving: str
    measured: str

    def write(self, folder: Path) -> None:
        """Write `chaos.py`, `other.py`, which has one of its arms, and what they need."""
        for name, content in {**self.files, "misbehaviour.py": MISBEHAVIOUR}.items():
            (folder / name).write_text(content)
        (folder / "chaos.py").write_text(self._said("Chaos", [2, 3]))
        (folder / "other.py").write_text(self._said("Other", [3, 4]))

    def write_mixed(self, folder: Path, kinds: Sequence[str]) -> None:
        """Write `mixed.py`: the arms of `chaos.py`, and one for each kind of misbehaviour."""
        if "networks.py" in self.files:
            made = [f"def {kind}_network(config):\n    return Misbehaves({kind!r})\n" for kind in kinds]
            (folder / "networks.py").write_text("\n\n".join([self.files["networks.py"], *made]))
        (folder / "mixed.py").write_text(self._said("Mixed", [2, 3], kinds))

    def _said(self, title: str, numbers: Sequence[int], kinds: Sequence[str] = ()) -> str:
        arms = [f"{str(n)!r}: {self.arm.format(n=n)}" for n in numbers]
        arms += [f"{kind!r}: {self.misbehaving.format(kind=kind)}" for kind in kinds]
        return self.study.format(title=title, arms="{" + ", ".join(arms) + "}")


IMAGES = Subject(
    files={"networks.py": NETWORKS},
    study="""from study import Study
STUDY = Study(title={title!r}, arms={arms},
              fixed={{"dataset": "digits", "batch_size": 16, "epochs": 8, "momentum": 0.5}})
""",
    arm="{{'width': {n}}}",
    misbehaving="{{'model': 'networks:{kind}_network'}}",
    measured="top-1 test accuracy",
)
LANGUAGE_MODEL = Subject(
    files={
        "language_model.py": (EXAMPLES / "language_model.py").read_text(),
        "training.py": MISBEHAVING_MODEL,
    },
    study="""from study import Study
from training import Chaos
STUDY = Study(title={title!r}, training=Chaos, arms={arms},
              fixed={{"width": 8, "layers": 1, "dropout": 0.1, "iterations": 500}})
""",
    arm="{{'batch_size': {n}}}",
    misbehaving="{{'what': {kind!r}}}",
    measured="val loss",
)
SUBJECTS = {"images": IMAGES, "language_model": LANGUAGE_MODEL}
