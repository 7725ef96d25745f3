"""Steps of a search's trials, counted in a file, so that those that are done again after a kill are seen."""

from __future__ import annotations

import os
import time
from pathlib import Path

STEPS = 20  # of a trial


def step(seconds: float) -> None:
    """A step of a training, written down in the file that the environment names."""
    time.sleep(seconds)
    with Path(os.environ["STEPS_FILE"]).open("ab") as file:
        file.write(b".")
