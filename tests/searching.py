"""Studies that search, for tests of searches."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pydantic import model_validator
from ray import tune

import study
from study import Study

# A bowl whose bottom is at lr = 0.01 and width = 20. Every seed has noise of its own.
BOWL = '''"""Where is the bottom?"""
import math, random, time
from ray import tune
import study

class Bowl(study.Training):
    class Config(study.Config):
        lr: float = 0.1
        width: int = 8

    metrics = (study.lower("loss"), study.lower("val_loss"))
    selected_by, watched, version = "val_loss", "val_loss", "1"

    def __init__(self, config, data, seed, device):
        self.steps, self.config = 20, config

    def step(self, t):
        time.sleep({pause})
        if t == 10 and self.config.width > {widest}:
            raise RuntimeError("too wide")
        at = (math.log10(self.config.lr) + 2) ** 2 + (self.config.width - 20) ** 2 / 400 + 1 / (t + 1)
        return {{"loss": at + random.gauss(0, 0.1), "val_loss": at + random.gauss(0, 0.1)}}

STUDY = study.Study(
    title="Bowl", training=Bowl, budget={budget}, seeds=3, finalists=2,
    search={{"lr": tune.loguniform(1e-4, 1.0), "width": tune.randint(2, 41)}},
)
'''


def bowl(folder: Path, pause: float = 0.0, widest: int = 40, budget: int = 14) -> Path:
    path = folder / "bowl.py"
    path.write_text(BOWL.format(pause=pause, widest=widest, budget=budget))
    return path


# The best lr is 0.01 in arm a and 0.1 in arm b, which is worse by 3.
TUNED = '''"""Is a better than b?"""
import math, random, time
from ray import tune
import study

class Bowl(study.Training):
    class Config(study.Config):
        kind: str = "a"
        lr: float = 1.0

    metrics = (study.lower("loss"), study.lower("val_loss"))
    selected_by, watched, version = "val_loss", "val_loss", "1"

    def __init__(self, config, data, seed, device):
        self.steps, self.config, self.seed = 10, config, seed

    def step(self, t):
        time.sleep({pause})
        bottom, more = {{"a": (-2, 0.0), "b": (-1, 3.0)}}[self.config.kind]
        at = (math.log10(self.config.lr) - bottom) ** 2 + more
        drawn = random.Random(f"{{self.config}} {{self.seed}} {{t}}")
        return {{"loss": at + drawn.gauss(0, 0.05), "val_loss": at + drawn.gauss(0, 0.05)}}

STUDY = study.Study(
    title="Tuned", training=Bowl, scientific={{"kind": tune.grid_search(["a", "b"])}},
    nuisance={{"lr": tune.loguniform(1e-4, 1.0)}}, nuisance_samples=8, {sampler} seeds=4,
    claims=[study.above("loss", "b is worse than a.", "b", "a")],
)
'''


def tuned(folder: Path, pause: float = 0.0, sampler: str = "sampler='tpe',") -> Path:
    path = folder / "tuned.py"
    path.write_text(TUNED.format(pause=pause, sampler=sampler))
    return path


def record(storage: Path, name: str = "bowl") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((storage / "studies" / f"{name}.json").read_text())
    return found


def suggested(storage: Path, name: str = "bowl") -> list[Any]:
    return [
        (one["values"], one["key"], one["knew"]) for one in record(storage, name)["search"]["suggestions"]
    ]


def written(storage: Path) -> dict[str, bytes]:
    """The results of all trials by key."""
    return {path.parent.name: path.read_bytes() for path in storage.glob("trials/*/result.json")}


class Picky(study.Training):
    """Some of its hyperparameters don't go together, and some diverge."""

    class Config(study.Config):
        a: int = 0
        b: int = 0

        @model_validator(mode="after")
        def _fit(self) -> Picky.Config:
            if self.a + self.b == 5:
                raise ValueError("a and b don't go together")
            return self

    metrics = (study.higher("score"), study.higher("val_score"))
    selected_by, version = "val_score", "1"

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.config = 2, config

    def step(self, t: int) -> dict[str, float]:
        at = float("nan") if self.config.a > 3 else self.config.a - self.config.b + random.random() / 10
        return {"score": at, "val_score": at}


def picky(**fields: Any) -> Study:
    space = {"a": tune.randint(0, 6), "b": tune.randint(0, 3)}
    return Study(**{"title": "Picky", "training": Picky, "search": space, "budget": 50, **fields})
