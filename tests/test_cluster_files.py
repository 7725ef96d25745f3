"""The files for `ray up`: Ray takes them, and nobody gets in whom they don't let in."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from other_user import as_other, needs_root
from shipped import REPOSITORY, taken_by_ray

CLOUDS = ["cluster.yaml", "clusters/gcp.yaml"]
FOR_RAY_UP = [*CLOUDS, "clusters/ssh.yaml"]


@pytest.fixture(scope="module")
def prepared() -> dict[str, dict[str, Any]]:
    """What Ray makes of each file."""
    return {name: taken_by_ray(name) for name in FOR_RAY_UP}


def start_commands(config: dict[str, Any]) -> list[str]:
    """Those of the head, then those of a worker."""
    return [
        next(command for command in config[f"{kind}_start_ray_commands"] if "ray start" in command)
        for kind in ("head", "worker")
    ]


@pytest.mark.parametrize("name", FOR_RAY_UP)
def test_ray_takes_the_file_and_every_path_that_it_copies_is_there(
    prepared: dict[str, Any], name: str
) -> None:
    for there, here in prepared[name]["file_mounts"].items():
        assert here == there == "~/.ray/auth_token" or (REPOSITORY / here).exists()


@pytest.mark.parametrize("name", FOR_RAY_UP)
def test_every_node_asks_for_the_token_and_serves_nothing_without_it(
    prepared: dict[str, Any], name: str
) -> None:
    config = prepared[name]
    head, worker = start_commands(config)
    for command in (head, worker):
        before, _, start = command.partition("ray start")
        assert "RAY_AUTH_MODE=token" in before
        assert "RAY_enable_metrics_collection=0" in before
        assert "0.0.0.0" not in start
    assert "--dashboard-host=127.0.0.1 --include-dashboard=true" in head
    assert "AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1" in head
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def in_folder_of(start: list[str]) -> list[str]:
    """Where the stand-in for Ray was told to put its files, from its environment and from its words."""
    (option,) = (word for word in start[1:] if word.startswith("--temp-dir="))
    return [start[0], option.partition("=")[2]]


@pytest.mark.parametrize("name", FOR_RAY_UP)
def test_every_node_starts_in_a_new_folder_that_only_its_user_can_enter(
    prepared: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """The start commands are run, with a `ray` that writes down where."""
    (tmp_path / "ray").write_text('#!/bin/sh\nprintf "%s\\n" "$RAY_TMPDIR" "$@" "" >> "$LOG"\n')
    (tmp_path / "ray").chmod(0o755)
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "LOG": str(log), "RAY_HEAD_IP": "10.0.0.1"}
    for command in [*start_commands(prepared[name])] * 2:
        subprocess.run(["bash", "-c", f"umask 0; {command}"], env=environment, check=True)
    folders = []
    for start in log.read_text().split("\n\n")[:-1]:
        made, for_ray = map(Path, in_folder_of(start.split("\n")))
        assert for_ray == made / "ray"
        assert (made.stat().st_mode & 0o777, made.stat().st_uid) == (0o700, os.geteuid())
        # With Ray's own longest name below it (2.60), and the largest process id.
        socket = for_ray / "session_2026-01-01_00-00-00_000000_4194304/sockets/dash_TaskEventsHead"
        assert len(str(socket)) <= 107
        made.rmdir()
        folders.append(made)
    assert len(set(folders)) == 4


@needs_root
def test_the_autoscaler_s_ssh_uses_no_folder_of_another_user(prepared: dict[str, Any]) -> None:
    (command,) = (of for of in prepared["clusters/ssh.yaml"]["head_start_ray_commands"] if "ray_ssh_" in of)
    user = f"study-test-{os.getpid()}"
    folder = Path(f"/tmp/ray_ssh_{hashlib.sha256(user.encode()).hexdigest()[:10]}")

    def taken() -> bool:
        environment = {"PATH": os.defpath, "USER": user}
        return subprocess.run(["bash", "-c", command], env=environment, capture_output=True).returncode == 0

    try:
        assert taken()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert taken()
        folder.rmdir()
        as_other(os.mkdir, str(folder))
        assert not taken()
        folder.rmdir()
        as_other(os.symlink, "/root", str(folder))
        assert not taken()
    finally:
        folder.unlink() if folder.is_symlink() else folder.rmdir()


@pytest.mark.parametrize("name", FOR_RAY_UP)
def test_a_node_installs_the_project_once_with_the_pinned_versions(
    prepared: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """The setup commands are run, with a pip that writes down what it was asked for."""
    home, environment = tmp_path, tmp_path / "study-env/bin"
    (home / "study").mkdir()
    for file in ("pyproject.toml", "requirements.txt"):
        (home / "study" / file).write_text("pinned")
    tools = home / "tools"
    tools.mkdir()
    environment.mkdir(parents=True)
    for tool in (tools / "python3", tools / "sudo", environment / "pip"):
        tool.write_text('#!/bin/sh\necho "$0 $*" >> ~/asked\n')
        tool.chmod(0o755)
    (home / ".bashrc").touch()
    for _ in range(2):
        for command in prepared[name]["head_setup_commands"]:
            subprocess.run(
                ["bash", "-ec", command], env={"HOME": str(home), "PATH": f"{tools}:{os.defpath}"}, check=True
            )
    asked = (home / "asked").read_text()
    packages, project = re.findall(r"pip (install .+)", asked)
    assert "--require-hashes --requirement requirements.txt" in packages
    assert "--no-deps --no-build-isolation --editable ." in project
    assert (home / ".bashrc").read_text().count("study-env/bin") == 1


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_cluster_costs_nothing_idle_but_its_head(prepared: dict[str, Any], name: str) -> None:
    config = prepared[name]
    head = config["available_node_types"].pop("head")
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0
    for worker in config["available_node_types"].values():
        assert worker["min_workers"] == 0
        assert worker["resources"]["GPU"] == 1
        assert worker["max_workers"] <= config["max_workers"]
    config["available_node_types"]["head"] = head
    assert config["idle_timeout_minutes"] <= 5
    assert config["provider"]["cache_stopped_nodes"] is False
    for command in start_commands(config):
        assert re.search(r"STUDY_STORAGE=(s3|gs)://", command)


def test_google_machines_are_in_a_network_of_their_own_with_accounts_of_their_own(
    prepared: dict[str, Any],
) -> None:
    kinds = prepared["clusters/gcp.yaml"]["available_node_types"]
    for name, kind in kinds.items():
        (interface,) = kind["node_config"]["networkInterfaces"]
        assert interface["subnetwork"].endswith("/subnetworks/study")
        (account,) = kind["node_config"]["serviceAccounts"]
        assert account["email"].startswith("study-head@" if name == "head" else "study-worker@")


def test_one_s_own_machines_are_named_once_and_started_by_the_first_autoscaler(
    prepared: dict[str, Any],
) -> None:
    config = prepared["clusters/ssh.yaml"]
    provider = config["provider"]
    assert provider["head_ip"] not in provider["worker_ips"]
    # `ray up` sets it to 1 before these commands; version 2 never starts the workers.
    assert "RAY_enable_autoscaler_v2=0" in start_commands(config)[0]
