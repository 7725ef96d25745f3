"""What makes two trials the same: the key under which the store knows a trial."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from study.declare.own_code import is_plugin, source_sha256
from study.images.config import TrialConfig

# Raise it whenever a change alters the numbers that a config gives: results of another recipe are not
# reused. tests/test_golden.py notices when that is due.
RECIPE_VERSION = 1


def trial_key(config: TrialConfig, data_fingerprint: str) -> str:
    """32 hex digits: sha256 over the config's canonical JSON, the data, the recipe version and, for a
    user's own network, its source.

    Two trials with one key are one trial, in whatever study they occur.
    """
    parts: dict[str, Any] = {
        "config": config.model_dump(),
        "data": data_fingerprint,
        "recipe": RECIPE_VERSION,
    }
    if is_plugin(config.model):
        parts["source"] = source_sha256(config.model)
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
