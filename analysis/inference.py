"""Which of several settings a report used that does not say: those under which what it published is likely.

A published value is one run, of whatever seed. What another run of a setting gives is told by our seeds of it: under a
normal distribution with unknown mean and spread, a t distribution about their mean (Geisser, Predictive Inference,
1993, 3.1). The likelihoods of all published values, with the same weight for each setting beforehand, give each one's
posterior.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
from scipy.special import gammaln, stdtr

from .intervals import far_seeds
from .results import Results, measured

BEST, ALIKE, UNLIKELY, RULED_OUT, TOO_FEW = (
    "agrees best",
    "can't be told from it",
    "less likely",
    "ruled out",
    "too few seeds",
)
# A setting whose runs would be as far from what was published once in a hundred times.
RULED_OUT_BELOW = 0.01
# "Substantial" evidence against the other one begins at a third, "strong" at a tenth (Jeffreys, Theory of Probability).
ALIKE_ABOVE = 0.1


@dataclass(frozen=True)
class Published:
    """A published value of an arm, and what our finished seeds of the arm give: mean and standard deviation.

    diverged: how many seeds besides did so, which the published run did not. rounding: how far apart two published
    values are at least. far: whether a seed is far from the others, which are then no sample of a normal distribution.
    """

    arm: str
    metric: str
    value: float
    n: int
    mean: float
    sd: float
    diverged: int = 0
    rounding: float = 0.0
    far: bool = False

    @property
    def log_density(self) -> float:
        """Logarithm of the density that our seeds give this value, in the metric's unit; NaN below two seeds.

        A run that does not diverge has the probability (n + 1) / (n + diverged + 2), Laplace's rule of succession.
        """
        if self.n < 2:
            return math.nan
        df, scale = self.n - 1, self._scale
        t = (self.value - self.mean) / scale
        constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * math.log(df * math.pi) - math.log(scale)
        trains = math.log((self.n + 1) / (self.n + self.diverged + 2))
        return float(constant - (df + 1) / 2 * math.log1p(t * t / df) + trains)

    @property
    def p(self) -> float:
        """How often a run of this arm would be as far from our mean, to either side; NaN below two seeds."""
        if self.n < 2:
            return math.nan
        return float(2 * stdtr(self.n - 1, -abs(self.value - self.mean) / self._scale))

    @property
    def _scale(self) -> float:
        rounded = self.rounding**2 / 12  # the variance of what rounding takes away
        return math.sqrt((self.sd**2 + rounded) * (1 + 1 / self.n)) or sys.float_info.min


@dataclass(frozen=True)
class Setting:
    """A candidate: the published values of its arms, its posterior among the candidates, and what that says.

    p: how often its runs would be as far from all published values as the farthest is, Bonferroni's bound.
    ratio: its likelihood to that of the best one.
    """

    label: str
    published: tuple[Published, ...]
    posterior: float
    ratio: float
    p: float
    verdict: str


def settings(results: Results, study: str, by: Sequence[str] = ()) -> list[Setting]:
    """The candidates of a study for which something was published, the most likely first; with too few seeds last.

    by: the hyperparameters that are inferred: arms that have them in common are one candidate, as the arms of a whole
    figure are under one hidden width. Without, each arm is one. Raises KeyError for one that an arm does not have, and
    ValueError where the candidates are not for the same published values, each of one arm.
    """
    found = {
        label: _published(results, study, arms) for label, arms in candidates(results, study, by).items()
    }
    found = {label: values for label, values in found.items() if values}
    explained = {label: sorted((one.metric, one.value) for one in of) for label, of in found.items()}
    for label, values in explained.items():
        if values != explained[first := next(iter(explained))]:
            raise ValueError(f"{first} and {label} are not for the same published values")
        if len(set(values)) < len(values):
            raise ValueError(f"several arms of {label} are for the same published value")
    return ranked(found)


def candidates(results: Results, study: str, by: Sequence[str]) -> dict[str, list[str]]:
    """The arms of each candidate. Raises KeyError for a hyperparameter that an arm does not have."""
    record = results.studies[study]
    arms: dict[str, list[str]] = {}
    for arm in record["arms"]:
        config = {**record["fixed"], **arm["overrides"]}
        label = ", ".join(f"{name}={config[name]}" for name in by) or arm["label"]
        arms.setdefault(label, []).append(arm["label"])
    return arms


def _published(results: Results, study: str, arms: Sequence[str]) -> list[Published]:
    trials, metrics = results.comparable(study), results.metrics(study)
    found = []
    for arm in arms:
        for name, value in results.studies[study]["published"].get(arm, {}).items():
            of_arm = trials[trials.arm == arm]
            ours = (measured(of_arm, name) * metrics[name].scale).dropna()
            sd = float(ours.std(ddof=1)) if len(ours) > 1 else math.nan
            mean = float(ours.mean()) if len(ours) else math.nan
            diverged = int((of_arm.status == "diverged").sum())
            # Of 10,000 cases one is a hundredth of a percent; what else was published ends with its last digit.
            rounding = 0.01 if metrics[name].unit == "%" else _last_digit(value)
            far = bool(far_seeds(ours.to_numpy(float)))
            found.append(Published(arm, name, value, len(ours), mean, sd, diverged, rounding, far))
    return found


def _last_digit(value: float) -> float:
    """What one more in the last digit of a number is, as Python writes it: 0.001 of 0.025."""
    exponent = Decimal(repr(value)).as_tuple().exponent
    return 10.0 ** int(exponent)


def ranked(published: Mapping[str, Sequence[Published]]) -> list[Setting]:
    """The candidates by their posterior, of the values of each."""
    likelihoods = pd.Series({label: sum(one.log_density for one in of) for label, of in published.items()})
    ratios = np.exp(likelihoods - likelihoods.max())
    posteriors = ratios / ratios.sum()
    made = []
    for label, of in published.items():
        ratio = float(ratios[label])
        # NaN where it is that of a value, as the ratio is then.
        p = min(len(of) * min(one.p for one in of), 1.0) if ratio == ratio else math.nan
        if math.isnan(ratio):
            verdict = TOO_FEW
        elif p < RULED_OUT_BELOW:
            verdict = RULED_OUT
        elif ratio == 1:
            verdict = BEST
        else:
            verdict = ALIKE if ratio >= ALIKE_ABOVE else UNLIKELY
        made.append(Setting(label, tuple(of), float(posteriors[label]), ratio, p, verdict))
    return sorted(made, key=lambda one: -one.posterior if one.posterior == one.posterior else math.inf)


def shown(found: Sequence[Setting], metrics: Mapping[str, str]) -> pd.DataFrame:
    """As people see them: a row for each published value of each candidate; `metrics` has what each is called."""
    rows = []
    for setting in found:
        for i, one in enumerate(setting.published):
            rows.append(
                {
                    "setting": setting.label if i == 0 else "",
                    "arm": one.arm,
                    "metric": metrics[one.metric],
                    "published": _digits(one.value, one.rounding),
                    "ours": _mean(one),
                    "n": f"{one.n}" + (f", {one.diverged} diverged" if one.diverged else ""),
                    "p": _number(one.p),
                    "posterior": _number(setting.posterior) if i == 0 else "",
                    "verdict": setting.verdict if i == 0 else "",
                }
            )
    return pd.DataFrame(rows)


def _mean(one: Published) -> str:
    if not one.n:
        return ""
    mean = _digits(one.mean, one.rounding)
    if one.n == 1:
        return mean
    return f"{mean} (sd {_digits(one.sd, one.rounding)}{', a seed far off' if one.far else ''})"


def _digits(value: float, rounding: float) -> str:
    return f"{value:.{max(0, round(-math.log10(rounding)))}f}" if rounding else f"{value:g}"


def _number(share: float) -> str:
    return "" if math.isnan(share) else "< 0.001" if share < 0.001 else f"{share:.3f}"
