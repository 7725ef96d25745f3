"""What makes two trials the same: the key under which the store knows a trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from study.lineage import Lineage
from study.training import Config, Training


def trial_keys(
    kind: type[Training], config: Config, seeds: Iterable[int], data: str, lineage: Lineage = ()
) -> list[str]:
    """A key for each seed, 32 hex digits: sha256 over the training's identity, its hyperparameters and how they change
    meanwhile, the seed and the data's fingerprint.

    Two trials with one key are one trial, in whatever study they occur.
    """
    changes = {"lineage": lineage} if lineage else {}
    return _keys({**kind.identity(config), **changes}, config, seeds, data)


def former_keys(kind: type[Training], config: Config, seeds: Iterable[int], data: str) -> list[list[str]]:
    """The same of each identity under which earlier versions stored these trials."""
    seeds = list(seeds)
    return [_keys(identity, config, seeds, data) for identity in kind.former_identities(config)]


def _keys(identity: Mapping[str, Any], config: Config, seeds: Iterable[int], data: str) -> list[str]:
    parts = {"data": data, **identity}
    keys = []
    values = keyed(config)
    for seed in seeds:
        canonical = json.dumps(
            {**parts, "config": {**values, "seed": seed}}, sort_keys=True, separators=(",", ":")
        )
        keys.append(hashlib.sha256(canonical.encode()).hexdigest()[:32])
    return keys


def keyed(config: Config) -> dict[str, Any]:
    """The hyperparameters that are part of a key: a later one (`study.added`) only where it has another value."""
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("added") and getattr(config, name) == field.default:
            del values[name]
    return values
