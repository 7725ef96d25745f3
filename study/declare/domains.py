"""Drawing hyperparameters from Ray Tune's domains (`tune.loguniform`, `tune.choice`, ...), reproducibly."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.errors import StudyError, last_line

DIGITS = 4


def is_domain(space: object) -> bool:
    """Whether this is one of Ray Tune's domains; asked without importing Ray."""
    return hasattr(space, "sample") and hasattr(space, "domain_str")


def is_user_function(space: object) -> bool:
    """Whether this is `tune.sample_from(function)`, whose randomness is its own."""
    return is_domain(space) and type(space).__name__ == "Function"


def random_points(domains: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """The first n points of an endless random sequence; a point that repeats an earlier one is dropped.

    Each hyperparameter has a stream of its own, seeded by its name: with a larger n, or another
    hyperparameter beside it, the points drawn before stay. Floats have 4 significant digits, so that an
    arm's label is its value.
    """
    streams = {name: np.random.default_rng(zlib.crc32(name.encode())) for name in domains}
    points: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(n):
        point = {name: _sample(name, domain, streams[name]) for name, domain in domains.items()}
        points.setdefault(tuple(point.values()), point)
    return list(points.values())


def quasi_random_points(domains: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """n points of a scrambled Sobol sequence, which covers the space more evenly than random ones.

    Raises StudyError for a domain that is not uniform in a value, its logarithm, or a choice.
    """
    from scipy.stats import qmc

    # The sequence is drawn to the next power of two, where it is balanced (scipy warns elsewhere).
    rows = qmc.Sobol(len(domains), seed=0).random_base2(math.ceil(math.log2(n)) if n > 1 else 0)[:n]
    return [
        {name: _at(name, domain, float(u)) for (name, domain), u in zip(domains.items(), row, strict=True)}
        for row in rows
    ]


def _at(name: str, domain: Any, u: float) -> Any:
    """The domain's value at quantile u in [0, 1)."""
    sampler = type(domain.get_sampler()).__name__
    if hasattr(domain, "categories"):
        return domain.categories[int(u * len(domain.categories))]
    if not hasattr(domain, "lower") or sampler not in ("_Uniform", "_LogUniform"):
        raise StudyError(f"nuisance: {name}: use tune.uniform, loguniform, randint, lograndint or choice")
    low, high = float(domain.lower), float(domain.upper)
    value = low * (high / low) ** u if sampler == "_LogUniform" else low + (high - low) * u
    return int(value) if type(domain).__name__ == "Integer" else _rounded(value)


def _sample(name: str, domain: Any, stream: np.random.Generator) -> Any:
    try:
        return _rounded(domain.sample(random_state=stream))
    except Exception as error:  # bounds that are the wrong way round
        raise StudyError(f"scientific: {name} can't be drawn: {last_line(error)}") from None


def _rounded(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
