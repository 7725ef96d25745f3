"""What is wrong with a file for `ray up`, before it costs anything: Ray's own schema, and who gets in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.config import StudyError, did_you_mean


def check(path: Path) -> str:
    """The name of the cluster that the file describes.

    Raises StudyError with every mistake: no YAML, fields that Ray doesn't know or takes otherwise, a machine
    named twice, nodes that would let everybody in.
    """
    config = _read(path)
    mistakes = [*_of_schema(config)] or [*_of_machines(config), *_of_access(config)]
    if mistakes:
        raise StudyError(*(f"{path}: {mistake}" for mistake in mistakes))
    return str(config["cluster_name"])


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise StudyError(f"{path} has no fields, such as cluster_name.")
    return config


def _of_schema(config: dict[str, Any]) -> Iterator[str]:
    import jsonschema
    import ray.autoscaler

    schema = json.loads(Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text())
    for field in sorted(map(str, config.keys() - schema["properties"].keys())):
        yield f"unknown field {field!r}{did_you_mean(field, schema['properties'])}"
    for error in jsonschema.Draft7Validator(schema).iter_errors(config):
        if error.validator == "additionalProperties" and not error.path:
            continue
        where = ".".join(map(str, error.absolute_path))
        yield f"{where}: {error.message}" if where else error.message


def _of_machines(config: dict[str, Any]) -> Iterator[str]:
    provider = config["provider"]
    workers = provider.get("worker_ips") or []
    for address, times in Counter(workers).items():
        if times > 1:
            yield f"provider.worker_ips: {address} is listed {times} times"
    if provider.get("head_ip") in workers:
        yield f"provider.worker_ips: {provider['head_ip']} is the head, which runs trials anyway"


def _of_access(config: dict[str, Any]) -> Iterator[str]:
    for field in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [command for command in config.get(field, []) if "ray start" in command]
        if not all("RAY_AUTH_MODE=token" in command for command in starts) or not starts:
            yield f"{field}: `ray start` needs RAY_AUTH_MODE=token, or everybody may run code there"
        if any("--dashboard-host=0.0.0.0" in command for command in starts):
            yield f"{field}: --dashboard-host=0.0.0.0 shows the job server to the network; use 127.0.0.1"
