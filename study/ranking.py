"""Which of several scored things are the best, by one objective or by several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# By objective. A sign is 1 where a higher value is the better one, else -1.
Values = Sequence[float]


def front(scores: Mapping[str, Values], signs: Sequence[int]) -> list[str]:
    """Those that no other one beats in an objective without being beaten in another (the Pareto front), the best in the
    first objective first. Of one objective those with the best value.
    """
    signed = {key: tuple(s * v for s, v in zip(signs, values, strict=True)) for key, values in scores.items()}
    ordered = sorted(signed, key=lambda key: signed[key], reverse=True)
    found: list[str] = []
    for key in ordered:
        beaten = any(
            signed[other] != signed[key]
            and all(o >= k for o, k in zip(signed[other], signed[key], strict=True))
            for other in found
        )
        if not beaten:
            found.append(key)
    return found


def best(scores: Mapping[str, Values], signs: Sequence[int], most: int) -> list[str]:
    """The best, at most so many, the best one first; of several objectives some of the front, from end to end of it.

    Of equal ones the earlier are the better ones.
    """
    if len(signs) == 1:
        return sorted(scores, key=lambda key: -signs[0] * scores[key][0])[:most]
    found = front(scores, signs)
    if len(found) <= most:
        return found
    if most == 1:
        return found[:1]
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]
