"""What is wrong with a file for `ray up`, before it costs anything: Ray's own schema, and who gets in."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import ipaddress
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.cluster import start_command
from study.errors import StudyError, did_you_mean
from study.paths import expanded

# What serves metrics, to everybody who asks: the variable, the values that switch it off, the one to write.
# The first on every node, the others on the head.
METRICS = (
    ("RAY_enable_metrics_collection", "0|false", "0"),
    ("AUTOSCALER_METRIC_PORT", r"-[1-9]\d*", "-1"),
    ("DASHBOARD_METRIC_PORT", r"-[1-9]\d*", "-1"),
)
# Variables and options of `ray start` (Ray 2.60) that open what the others close.
OPENING = {
    "RAY_AUTH_TOKEN": "shows the token to every user of the machine",
    "RAY_DEBUG_POST_MORTEM": "lets everybody run code in a trial that failed",
    "RAY_ENABLE_K8S_TOKEN_AUTH": "lets in whom Kubernetes knows",
    "RAY_START_HOOK": "may change everything else",
    "ray_debugger_external": "lets everybody run code where a trial waits for a debugger",
    "system_config": "may change everything else",
    "proxy_server_url": "sends the token there",
    "object_spilling_directory": "may be a folder that other users can write to",
}
INSIDE = re.compile(rf"{start_command.PRIVATE}(?!.*\.\.)(/[\w.-]+)*")
FOLDER = (
    "RAY_TMPDIR=$(mktemp -d /tmp/study.XXXXXXXX) && export RAY_TMPDIR && ray start --temp-dir=$RAY_TMPDIR/ray"
)


def check(path: Path) -> str:
    """The name of the cluster that the file describes.

    Raises StudyError with every mistake: no YAML, fields that Ray doesn't know or takes otherwise, a machine
    named twice, nodes that would let everybody in.
    """
    path = expanded(path)
    config = _read(path)
    mistakes = [*_of_schema(config)] or [*_of_machines(config), *_of_access(config), *_of_this_machine()]
    if mistakes:
        raise StudyError(*(f"{path}: {mistake}" for mistake in mistakes))
    return str(config["cluster_name"])


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
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

    schema = json.loads(
        Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text(encoding="utf-8")
    )
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


def _of_this_machine() -> Iterator[str]:
    """Folders that `ray up` would use here though another user has made them."""
    try:
        user = hashlib.sha256(getpass.getuser().encode()).hexdigest()[:10]
    except (KeyError, OSError):  # it has no name, and Ray's ssh won't go
        return
    temporary = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    for path, why in {
        Path(f"/tmp/ray_ssh_{user}"): "its ssh would go through their sockets; have it removed",
        temporary / "ray": "it would read there where your machines are; export TMPDIR=a folder of your own",
    }.items():
        with contextlib.suppress(OSError):
            if path.lstat().st_uid not in (os.geteuid(), 0):
                yield f"{path}, which `ray up` uses, is another user's: {why}"


def _of_access(config: dict[str, Any]) -> Iterator[str]:
    for field, head in (("head_start_ray_commands", True), ("worker_start_ray_commands", False)):
        started = False
        for command in config.get(field, []):
            try:
                for start in start_command.starts(command):
                    started = True
                    yield from (f"{field}: {mistake}" for mistake in _of_start(start, head))
            except start_command.NotUnderstood as what:
                started = True
                yield f"{field}: not understood, so it counts as open: {what}"
        if not started:
            yield f"{field}: no `ray start`; that of Ray's default lets everybody in"
    for field, command in _other_commands(config):
        if start_command.NAMES_START.search(command):
            yield f"{field}: `ray start` belongs into *_start_ray_commands, where it is checked"


def _other_commands(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    places = {"": config}
    places |= {
        f"available_node_types.{name}.": kind for name, kind in config.get("available_node_types", {}).items()
    }
    for place, fields in places.items():
        for field, commands in fields.items():
            if field.endswith(("setup_commands", "initialization_commands")):
                yield from ((f"{place}{field}", command) for command in commands or [])


def _of_start(start: start_command.Start, head: bool) -> Iterator[str]:
    """What `ray start` would open with these variables and words."""
    variables, options = start.environment, _options(start.words)
    if variables.get("RAY_AUTH_MODE", "").lower() != "token":
        yield _needs(variables, "RAY_AUTH_MODE", "token", "everybody may run code there")
    for name, closed, value in METRICS if head or "head" in options else METRICS[:1]:
        if not re.fullmatch(closed, variables.get(name, ""), re.IGNORECASE):
            yield _needs(variables, name, value, "everybody may read its metrics")
    host = options.get("dashboard_host", "localhost")
    if not _is_loopback(host):
        yield f"--dashboard-host={host} shows the job server to the network; use 127.0.0.1"
    if (head or "head" in options) and "include_dashboard" not in options:
        yield "`ray start` needs --include-dashboard=true, or the token goes to whoever holds its port"
    for name, opens in OPENING.items():
        if name in variables or name in options:
            yield f"{name if name in variables else '--' + name.replace('_', '-')} {opens}; leave it out"
    folders = variables.get("RAY_TMPDIR", ""), options.get("temp_dir", "")
    if not all(map(INSIDE.fullmatch, folders)) or folders[1] == start_command.PRIVATE:
        yield f"`ray start` needs a folder that other users can't enter, or they run code there: {FOLDER}"


def _needs(variables: dict[str, str], name: str, value: str, otherwise: str) -> str:
    found = variables.get(name, "")
    known = f", not {found!r}" if found and start_command.UNKNOWN not in found else ""
    return f"`ray start` needs {name}={value}{known}, or {otherwise}"


def _options(words: list[str]) -> dict[str, Any]:
    """As Ray itself reads them: of an option that stands there twice the last. Raises NotUnderstood."""
    import click
    from ray.scripts.scripts import start

    try:
        options, rest, _ = start.make_parser(click.Context(start)).parse_args(list(words))
    except click.UsageError as error:
        raise start_command.NotUnderstood(f"`ray start`: {error.format_message()}") from None
    if rest:
        raise start_command.NotUnderstood(f"{rest[0]!r} of `ray start`; leave it out")
    return dict(options)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
