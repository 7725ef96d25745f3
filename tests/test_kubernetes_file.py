"""clusters/kuberay.yaml: who reaches the pods, and what the pods may do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from shipped import pinned, text


@pytest.fixture(scope="module")
def kubernetes() -> dict[str, dict[str, Any]]:
    """The file's documents by kind, and the service accounts by name."""
    documents = [*yaml.safe_load_all(text("clusters/kuberay.yaml"))]
    return {of["metadata"]["name"] if of["kind"] == "ServiceAccount" else of["kind"]: of for of in documents}


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
    (namespace,) = operator["namespaceSelector"]["matchLabels"].items()
    assert namespace == ("kubernetes.io/metadata.name", "kuberay")
    assert f"--namespace {namespace[1]} --create-namespace" in text("docs/cluster.md")


def test_only_the_autoscaler_has_a_token_of_kubernetes(kubernetes: dict[str, Any]) -> None:
    cluster = kubernetes["RayCluster"]["spec"]
    (worker,) = cluster["workerGroupSpecs"]
    pods = [of["template"]["spec"] for of in (cluster["headGroupSpec"], worker)]
    submitter = kubernetes["RayJob"]["spec"]["submitterPodTemplate"]["spec"]
    assert [of.get("serviceAccountName") for of in (*pods, submitter)] == ["study-head", "study-worker", None]
    accounts = [kubernetes["study-head"], kubernetes["study-worker"]]
    assert all(of["automountServiceAccountToken"] is False for of in (*pods, submitter, *accounts))
    # Where Ray's autoscaler looks for it (2.60); no container of ours mounts it.
    (mount,) = cluster["autoscalerOptions"]["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    head, other = pods
    (volume,) = head["volumes"]
    assert volume["name"] == mount["name"]
    sources = {name for source in volume["projected"]["sources"] for name in source}
    assert sources == {"serviceAccountToken", "configMap"}
    assert other["volumes"] == []
    assert not any("volumeMounts" in container for pod in pods for container in pod["containers"])


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
