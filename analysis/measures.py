"""Numbers of one trial's curve: training accuracy per iteration [n], in [0, 1], in; a number or bool out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

Curve = npt.NDArray[np.float64]

# A minibatch's accuracy is a noisy estimate; where a curve is smoothed, it is over this share of an epoch.
SMOOTHING_SHARE = 0.03
CHANCE = 0.1  # ten classes


def smoothing_window(iterations: int) -> int:
    """Iterations of the moving average for a curve of this length, at least 1."""
    return max(1, round(iterations * SMOOTHING_SHARE))


def smoothed(curve: Curve) -> Curve:
    """The moving average over the last `smoothing_window` iterations; over fewer at the start."""
    rolling = pd.Series(curve).rolling(smoothing_window(len(curve)), min_periods=1)
    averages: Curve = rolling.mean().to_numpy()
    return averages


def final_accuracy(curve: Curve) -> float:
    """Mean over the last 10 % of the iterations."""
    return float(curve[-max(1, len(curve) // 10) :].mean())


def final_change(curve: Curve) -> float:
    """By how much the last 10 % of the iterations lie above the 10 % before them."""
    tenth = max(1, len(curve) // 10)
    return final_accuracy(curve) - float(curve[-2 * tenth : -tenth].mean())


def early_accuracy(curve: Curve, iterations: int) -> float:
    """Mean over the first `iterations`."""
    return float(curve[:iterations].mean())


def roughness(curve: Curve) -> float:
    """Mean absolute change from one iteration to the next over the second half, where the rise is over."""
    return float(np.abs(np.diff(curve[len(curve) // 2 :])).mean())


def rises_then_drops(curve: Curve) -> bool:
    """Whether it came 20 points above chance, smoothed, and ended within 5 points of it."""
    return bool(smoothed(curve).max() >= CHANCE + 0.2 and abs(final_accuracy(curve) - CHANCE) <= 0.05)
