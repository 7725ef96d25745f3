"""What the searches of all tools are given, and what they leave."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from counted import STEPS, step
from problems import PROBLEMS, domains

__all__ = ["PROBLEMS", "STEPS", "arguments", "domains", "leave", "step"]


def arguments(said: str | None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", required=True)
    words.add_argument("--of", choices=PROBLEMS, default="hartmann")
    words.add_argument("--sampler", default="tpe")
    words.add_argument("--budget", type=int, default=64)
    words.add_argument("--repeat", type=int, default=0, help="chooses the noise, and the sampler's seed")
    words.add_argument("--seconds", type=float, default=0.0, help="of a trial")
    words.add_argument("--at-once", type=int, default=1)
    return words


def leave(folder: str, trials: Iterable[tuple[float, float, float]]) -> None:
    """Write of each trial its score, what it is worth, and when it ended (seconds since 1970), in that order."""
    content = json.dumps(sorted(trials, key=lambda trial: trial[2]))
    (Path(folder) / "results.json").write_text(content)
