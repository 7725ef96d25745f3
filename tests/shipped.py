"""The files that make clusters: as text, and as Ray takes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]


def text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def pinned(package: str) -> str:
    """The version in constraints.txt."""
    (version,) = re.findall(rf"^{package}==(.+)$", text("constraints.txt"), re.MULTILINE)
    return version


def taken_by_ray(name: str) -> dict[str, Any]:
    """What Ray makes of a file for `ray up`, with its defaults filled in; skips without ray[default]."""
    pytest.importorskip("jsonschema", reason="ray[default] is not installed")
    from ray.autoscaler._private.util import prepare_config, validate_config

    config: dict[str, Any] = prepare_config(yaml.safe_load(text(name)))
    validate_config(config)
    return config
