"""The files that make clusters: Ray and Kubernetes take them, and nobody gets in whom they don't let in."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
CLOUDS = ["cluster.yaml", "clusters/gcp.yaml"]
FOR_RAY_UP = [*CLOUDS, "clusters/ssh.yaml"]
# Any address of the internet.
WORLD = "0.0.0.0/0"


def text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def pinned(package: str) -> str:
    (version,) = re.findall(rf"^{package}==(.+)$", text("constraints.txt"), re.MULTILINE)
    return version


@pytest.fixture(scope="module")
def prepared() -> dict[str, dict[str, Any]]:
    """What Ray makes of each file, with its defaults filled in."""
    pytest.importorskip("jsonschema", reason="ray[default] is not installed")
    from ray.autoscaler._private.util import prepare_config, validate_config

    made = {name: prepare_config(yaml.safe_load(text(name))) for name in FOR_RAY_UP}
    for config in made.values():
        validate_config(config)
    return made


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
    assert "--dashboard-host=127.0.0.1" in head
    assert "AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1" in head
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("name", FOR_RAY_UP)
def test_a_node_installs_the_project_once_with_the_pinned_versions(
    prepared: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """The setup commands are run, with a pip that writes down what it was asked for."""
    home, environment = tmp_path, tmp_path / "study-env/bin"
    (home / "study").mkdir()
    for file in ("pyproject.toml", "constraints.txt"):
        (home / "study" / file).write_text(text(file))
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
    (installed,) = re.findall(r"pip (install .+)", asked)
    assert "--constraint constraints.txt --editable .[cluster]" in installed
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


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """An AWS in this process, with what docs/cluster.md makes by hand: group, key and roles."""
    moto = pytest.importorskip("moto", reason="moto is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path))
    with moto.mock_aws():
        import boto3

        yield boto3.Session(region_name="us-west-2")


def test_ray_starts_aws_machines_that_only_our_group_key_and_roles_open(
    aws: Any, prepared: dict[str, Any], tmp_path: Path
) -> None:
    """Ray's own provider, up to the machines that it starts."""
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    ec2, iam = aws.client("ec2"), aws.client("iam")
    (network,) = ec2.describe_vpcs()["Vpcs"]
    group = ec2.create_security_group(GroupName="study", Description="study", VpcId=network["VpcId"])[
        "GroupId"
    ]
    ec2.create_key_pair(KeyName="study")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/study.pem").touch()
    for name in ("study-head", "study-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    config = copy.deepcopy(prepared["cluster.yaml"])
    image = ec2.describe_images()["Images"][0]["ImageId"]
    for kind in config["available_node_types"].values():
        kind["node_config"] |= {"SecurityGroupIds": [group], "ImageId": image}
    config = bootstrap_aws(config)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name, kind in config["available_node_types"].items():
        provider.create_node(kind["node_config"], {"ray-user-node-type": name}, 1)

    machines = [m for r in ec2.describe_instances()["Reservations"] for m in r["Instances"]]
    assert len(machines) == 3
    for machine in machines:
        assert [entry["GroupId"] for entry in machine["SecurityGroups"]] == [group]
        assert machine["KeyName"] == "study"
        assert machine["MetadataOptions"]["HttpTokens"] == "required"
        kind = next(tag["Value"] for tag in machine["Tags"] if tag["Key"] == "ray-user-node-type")
        role = "study-head" if kind == "head" else "study-worker"
        assert machine["IamInstanceProfile"]["Arn"].endswith(f"/{role}")
    assert WORLD not in str([of["IpPermissions"] for of in ec2.describe_security_groups()["SecurityGroups"]])
    assert not iam.list_roles()["Roles"], "Ray made a role of its own"


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


@pytest.fixture(scope="module")
def kubernetes() -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in yaml.safe_load_all(text("clusters/kuberay.yaml"))}


def test_kubernetes_pods_have_the_token_the_pinned_ray_and_our_image(kubernetes: dict[str, Any]) -> None:
    cluster, job = kubernetes["RayCluster"]["spec"], kubernetes["RayJob"]["spec"]
    assert cluster["rayVersion"] == pinned("ray")
    assert f"FROM rayproject/ray:{pinned('ray')}-py3" in text("clusters/Dockerfile")
    assert cluster["authOptions"] == {"mode": "token"}
    assert job["clusterSelector"] == {"ray.io/cluster": kubernetes["RayCluster"]["metadata"]["name"]}
    (worker,) = cluster["workerGroupSpecs"]
    head = cluster["headGroupSpec"]
    assert (head["serviceType"], head["rayStartParams"]) == ("ClusterIP", {"num-cpus": "0"})
    assert worker["minReplicas"] == worker["replicas"] == 0
    images = set()
    for template in (head["template"], worker["template"], job["submitterPodTemplate"]):
        (container,) = template["spec"]["containers"]
        images.add(container["image"])
        assert template["metadata"]["labels"] == {"app": "study"}
    for template in (head["template"], worker["template"]):
        (container,) = template["spec"]["containers"]
        assert container["securityContext"]["runAsNonRoot"] is True
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert "STUDY_STORAGE" in {entry["name"] for entry in container["env"]}
    assert len(images) == 1
    assert worker["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_only_the_pods_and_the_operator_reach_ray_on_kubernetes(kubernetes: dict[str, Any]) -> None:
    policy = kubernetes["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app": "study"}}
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    pods, operator = rule["from"]
    assert pods == {"podSelector": {"matchLabels": {"app": "study"}}}
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}


def test_the_job_s_command_is_one_that_study_takes(kubernetes: dict[str, Any], tmp_path: Path) -> None:
    program, *words = kubernetes["RayJob"]["spec"]["entrypoint"].split()
    assert program == "study"
    planned = subprocess.run(
        [sys.executable, "-m", "study", *words, "--dataset", "digits", "--dry-run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert planned.returncode == 0, planned.stderr


def test_slurm_s_script_is_shell_and_says_what_it_lacks(tmp_path: Path) -> None:
    script = REPOSITORY / "clusters/slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    assert "RAY_AUTH_MODE=token" in script.read_text()

    def submitted(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, *words], env={"HOME": str(tmp_path), "PATH": os.defpath}, capture_output=True, text=True
        )

    without_a_study, without_a_token = submitted(), submitted("network_width")
    assert (without_a_study.returncode, without_a_token.returncode) == (2, 2)
    assert "say which study" in without_a_study.stderr
    assert "study cluster-token" in without_a_token.stderr
