"""cluster.yaml at a simulated AWS: what Ray starts there, and what the head's role may do."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from shipped import taken_by_ray, text

# Any address of the internet.
WORLD = "0.0.0.0/0"


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


def start_machines(aws: Any, home: Path) -> tuple[Any, dict[str, Any]]:
    """One of each kind, by Ray's own provider; it, and the file with what was filled in."""
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    ec2, iam = aws.client("ec2"), aws.client("iam")
    (network,) = ec2.describe_vpcs()["Vpcs"]
    group = ec2.create_security_group(GroupName="study", Description="study", VpcId=network["VpcId"])[
        "GroupId"
    ]
    ec2.create_key_pair(KeyName="study")
    (home / ".ssh").mkdir()
    (home / ".ssh/study.pem").touch()
    for name in ("study-head", "study-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    config = taken_by_ray("cluster.yaml")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    for kind in config["available_node_types"].values():
        kind["node_config"] |= {"SecurityGroupIds": [group], "ImageId": image}
    config = bootstrap_aws(config)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name, kind in config["available_node_types"].items():
        provider.create_node(kind["node_config"], {"ray-user-node-type": name}, 1)
    return provider, config


def test_ray_starts_aws_machines_that_only_our_group_key_and_roles_open(aws: Any, tmp_path: Path) -> None:
    ec2, iam = aws.client("ec2"), aws.client("iam")
    _, config = start_machines(aws, tmp_path)
    (group,) = config["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
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


@pytest.fixture(scope="module")
def policies() -> dict[str, Any]:
    """The statements of the IAM policies in docs/cluster.md, by the policy's name."""
    page, made = text("docs/cluster.md"), {}
    for found in re.finditer(r"--policy-name (\w+) --policy-document ", page):
        words = shlex.shlex(page[found.end() :], posix=True)
        words.whitespace_split = True
        made[found[1]] = json.loads(next(words))["Statement"]
    return made


def admits(statement: dict[str, Any], action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether a statement allows a call; of IAM's language what the policies use."""
    condition: dict[str, dict[str, str]] = statement.get("Condition", {"StringEquals": {}})
    assert (statement["Effect"], [*condition]) == ("Allow", ["StringEquals"])
    actions, resources = (
        [of] if isinstance(of, str) else of for of in (statement["Action"], statement["Resource"])
    )
    return (
        any(fnmatchcase(action, pattern) for pattern in actions)
        and any(fnmatchcase(resource, pattern) for pattern in resources)
        and all(context.get(name) == value for name, value in condition["StringEquals"].items())
    )


def test_the_head_s_role_tags_and_ends_no_other_machine(policies: dict[str, Any]) -> None:
    assert policies.keys() == {"bucket", "machines"}
    assert all(action.startswith("s3:") for of in policies["bucket"] for action in of["Action"])
    assert all(
        "Condition" in of for of in policies["machines"] if re.search("Tags|Terminate", str(of["Action"]))
    )
    other = "arn:aws:ec2:us-west-2:1:instance/i-other"
    attempts = [
        ("ec2:CreateTags", other, {"aws:RequestTag/ray-cluster-name": "study"}),
        ("ec2:CreateTags", other, {"ec2:ResourceTag/ray-cluster-name": "theirs"}),
        ("ec2:CreateTags", "arn:aws:ec2:us-west-2:1:volume/v", {"ec2:CreateAction": "RunInstances"}),
        ("ec2:TerminateInstances", other, {}),
        ("ec2:TerminateInstances", other, {"ec2:ResourceTag/ray-cluster-name": "theirs"}),
        ("iam:PassRole", "arn:aws:iam::1:role/admin", {}),
    ]
    for attempt in attempts:
        assert not any(admits(statement, *attempt) for statement in policies["machines"]), attempt


def test_the_head_s_role_may_do_what_ray_does(aws: Any, tmp_path: Path, policies: dict[str, Any]) -> None:
    """Each call of Ray's provider is held against the policy: the simulated AWS knows no conditions."""
    import botocore.client

    asked: list[tuple[str, str, dict[str, str]]] = []
    real: Callable[..., Any] = botocore.client.BaseClient._make_api_call

    def tags(of: list[dict[str, str]], kind: str) -> dict[str, str]:
        return {f"{kind}/{tag['Key']}": tag["Value"] for tag in of}

    def recorded(client: Any, operation: str, words: dict[str, Any]) -> Any:
        action = f"{client.meta.service_model.service_name}:{operation}"
        if operation == "RunInstances":
            for spec in words["TagSpecifications"]:
                new = tags(spec["Tags"], "aws:RequestTag") | {"ec2:CreateAction": operation}
                asked.append(("ec2:CreateTags", f"arn:aws:ec2:us-west-2:1:{spec['ResourceType']}/*", new))
        ids = words.get("Resources") or words.get("InstanceIds") or []
        for machine in ids if operation in ("CreateTags", "TerminateInstances") else ["*"]:
            there = aws.resource("ec2").Instance(machine).tags if machine != "*" else []
            asked.append(
                (action, f"arn:aws:ec2:us-west-2:1:instance/{machine}", tags(there, "ec2:ResourceTag"))
            )
        return real(client, operation, words)

    provider, config = start_machines(aws, tmp_path)
    kind = config["available_node_types"]["gpu_spot"]["node_config"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
        (machine,) = provider.create_node(kind, {"ray-user-node-type": "gpu_spot"}, 1)
        assert machine in provider.non_terminated_nodes({})
        provider.set_node_tags(machine, {"ray-node-status": "up-to-date"})
        provider.terminate_node(machine)
    assert {action for action, *_ in asked} >= {
        "ec2:RunInstances",
        "ec2:CreateTags",
        "ec2:TerminateInstances",
    }
    for call in asked:
        assert any(admits(statement, *call) for statement in policies["machines"]), call
