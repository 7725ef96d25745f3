"""What a study's record says of its search, and what it takes over from an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from study.declare.study import Study


def record_of_search(study: Study, baseline: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The search, with the suggestions that it made so far. `baseline` is the key of the baseline's trial in it, and
    `known` the record of the search as last run, which may have been another one.
    """
    space = [
        {
            "name": name,
            "hyperparameter": name.rpartition(".")[2],
            **asdict(one),
            "choices": _texts(one.choices),
        }
        for name, one in study.space.dimensions.items()
    ]
    said = {"sampler": study.sampler, "objectives": [*study.objective], "space": space}
    # The key stands for the training, its data, and all hyperparameters that are not searched.
    start = [study.space.point(values) for values in study.start]
    whole: dict[str, Any] = {**said, "constants": study.space.constants, "start": start, "key": baseline}
    if study.sampler == "pbt":  # a larger population is another one
        whole["members"] = study.budget
    identity = hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:32]
    new: dict[str, Any] = {"best": "", "over": False, "suggestions": [], "generations": []}
    same = known.get("identity") == identity
    return {
        "identity": identity,
        **said,
        "budget": study.budget,
        "finalists": study.finalists,
        **({name: known.get(name, value) for name, value in new.items()} if same else new),
    }


def _texts(choices: tuple[Any, ...] | None) -> list[str] | None:
    """Choices as texts; of one that sets hyperparameters, those that it fixes."""
    return None if choices is None else [_text(one) for one in choices]


def _text(choice: Any) -> str:
    if not isinstance(choice, Mapping):
        return str(choice)
    return ", ".join(
        f"{name}={value}" for name, value in choice.items() if isinstance(value, str | int | float)
    )
