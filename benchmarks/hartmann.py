"""What searches are compared on: Hartmann's function with noise, and a file that counts the steps that were done."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import numpy as np

VARIABLES, MINIMUM = [f"x{i}" for i in range(6)], -3.32237
STEPS, NOISE = 20, 0.1


def hartmann(x: list[float]) -> float:
    """Hartmann's function of six variables in [0, 1] (Dixon and Szego, Towards Global Optimisation 2, 1978)."""
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return float(-weights @ np.exp(-(a * (np.array(x) - p) ** 2).sum(axis=1)))


def noise(x: list[float], seed: int, repeat: int) -> float:
    """What is measured besides, at this point with this seed."""
    return random.Random(f"{x} {seed} {repeat}").gauss(0, NOISE)


def step(seconds: float) -> None:
    """A step of a training, written down in the file that the environment names."""
    time.sleep(seconds)
    with Path(os.environ["STEPS_FILE"]).open("ab") as file:
        file.write(b".")
