"""What a cluster installs is pinned to the byte, and no pin has a hole that everybody knows of."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# An environment is what a marker such as `python_version < "3.12"` is asked about.
NODES = [
    default_environment()
    | {
        "python_version": version,
        "python_full_version": f"{version}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine,
        "extra": "",
    }
    for version in ("3.11", "3.12")
    for machine in ("x86_64", "aarch64")
]
INSTALLS = [
    "cluster.yaml",
    "clusters/gcp.yaml",
    "clusters/ssh.yaml",
    "clusters/Dockerfile",
    "docs/cluster.md",
]
# A vulnerability's id, and why it is none here. One that is not listed fails: raise the pin, or say why.
ACCEPTED: dict[str, str] = {}
AUDIT_SECONDS = 120


def pins(path: str) -> dict[str, tuple[Requirement, set[str]]]:
    """The pins of a file by their package's name, each with its digests."""
    found = {}
    for line in (ROOT / path).read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith(("#", "--")):
            pin, *digests = line.split("--hash=sha256:")
            requirement = Requirement(pin)
            found[canonicalize_name(requirement.name)] = requirement, {digest.strip() for digest in digests}
    return found


@pytest.fixture(scope="module")
def lock() -> dict[str, tuple[Requirement, set[str]]]:
    return pins("clusters/requirements.txt")


def test_every_pin_of_the_lock_has_digests_and_the_version_of_constraints(lock: dict[str, Any]) -> None:
    tested = {name: str(pin.specifier) for name, (pin, _) in pins("constraints.txt").items()}
    assert lock.keys() & tested.keys() > {"ray", "torch", "torchvision", "numpy", "boto3"}
    for name, (pin, digests) in lock.items():
        assert digests, name
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests), name
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), name
        assert str(pin.specifier) == tested.get(name, str(pin.specifier)), f"{name}: `make lock`"


def test_nothing_of_the_lock_is_built_from_source() -> None:
    """What builds a package from source is fetched without a digest."""
    assert "\n--only-binary :all:\n" in (ROOT / "clusters/requirements.txt").read_text()


def test_the_lock_is_made_by_the_command_that_it_names() -> None:
    assert "#    make lock\n" in (ROOT / "clusters/requirements.txt").read_text()
    done = subprocess.run(["make", "--dry-run", "lock"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--generate-hashes" in done.stdout


def asked_for() -> list[str]:
    """What a node needs by name: study[cluster], what builds it, and what the clouds need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    more = (ROOT / "clusters/requirements.in").read_text().splitlines()
    return [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["cluster"],
        *project["build-system"]["requires"],
        *[line for line in more if line and not line.startswith("#")],
    ]


@pytest.mark.parametrize(
    "node", NODES, ids=lambda node: f"{node['python_version']}-{node['platform_machine']}"
)
def test_the_lock_has_all_that_a_node_installs(node: dict[str, str], lock: dict[str, Any]) -> None:
    waiting = [Requirement(line) for line in asked_for()]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *wanted.extras) in seen:
            continue
        seen.add((name, *wanted.extras))
        assert name in lock, f"{wanted} is not in clusters/requirements.txt: `make lock`"
        pin, _ = lock[name]
        version = str(pin.specifier).removeprefix("==")
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}, {pin}: `make lock`"
        assert pin.marker is None or pin.marker.evaluate(node), pin
        try:
            here = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if here.version == version:
            needs = [Requirement(line) for line in here.requires or []]
            waiting += [
                need
                for need in needs
                if need.marker is None
                or any(need.marker.evaluate(node | {"extra": extra}) for extra in ("", *wanted.extras))
            ]
    assert len(seen) > 100


@pytest.mark.parametrize("path", INSTALLS)
def test_a_cluster_installs_nothing_without_a_digest(path: str) -> None:
    whole = re.sub(r"\\?\n\s*", " ", (ROOT / path).read_text())
    installs = re.findall(r"pip install (.+?)(?: && | \$ | ```|; }|$)", whole)
    assert installs
    for words in installs:
        hashed = "--require-hashes --requirement" in words
        assert hashed or "--no-deps --no-build-isolation --editable" in words, words


def test_the_image_is_built_on_one_that_cannot_change() -> None:
    lines = (ROOT / "clusters/Dockerfile").read_text().splitlines()
    assert "ARG DIGEST" in lines, "a default would be one that nobody looked up"
    (base,) = [line for line in lines if line.startswith("FROM ")]
    assert base.endswith("@${DIGEST}")


def audited(requirements: list[str], folder: Path) -> list[dict[str, Any]]:
    """What pip-audit says of each; the test is skipped where the database does not answer."""
    file = folder / "requirements.txt"
    file.write_text("\n".join(requirements))
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "10", "--cache-dir", str(folder), "-r", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=AUDIT_SECONDS)
        answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        pytest.skip(f"PyPI's database of vulnerabilities did not answer within {AUDIT_SECONDS} s")
    except ValueError:  # no JSON: it could not ask
        said = re.findall(r"^ERROR:[\w.]+:(.+)", done.stderr, re.MULTILINE) or done.stderr.splitlines()[-1:]
        pytest.skip(f"PyPI's database of vulnerabilities is not at hand: {said[:1]}")
    return answers


def test_no_pin_has_a_known_vulnerability(tmp_path: Path) -> None:
    (known,) = audited(["jinja2==2.4.1"], tmp_path)
    if not known.get("vulns"):
        pytest.skip("PyPI's database of vulnerabilities is not at hand: it knows nothing of Jinja 2.4.1")
    pinned = pins("constraints.txt") | pins("clusters/requirements.txt")
    answers = audited([f"{name}{pin.specifier}" for name, (pin, _) in sorted(pinned.items())], tmp_path)
    found = {
        f"{answer['name']} {answer['version']}: {hole['id']}, fixed in {hole['fix_versions']}"
        for answer in answers
        for hole in answer.get("vulns", [])
        if not ACCEPTED.keys() & {hole["id"], *hole["aliases"]}
    }
    assert found == set()
    unknown = [answer["name"] for answer in answers if "vulns" not in answer]
    if unknown:
        pytest.skip(f"no vulnerability is known, but the database does not have {', '.join(unknown)}")
