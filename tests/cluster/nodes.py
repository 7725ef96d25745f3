"""A Ray cluster on nodes in namespaces, brought up from a laptop by clusters/ssh.yaml, `ray up` and ssh."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
import yaml
from cluster.network import Node, Switch, run
from conftest import HANG, wait_until
from other_user import UID

REPOSITORY = Path(__file__).parents[2]
TOKEN = "0123456789abcdef0123456789abcdef"
# Small machines: without this each takes a third of the real one's memory, and all of its cores.
SIZE = "--num-cpus=1 --num-gpus=1 --object-store-memory=200000000"
ON_NODE = "export RAY_AUTH_MODE=token PYTHONPATH=~/study"
# Prints address and id of the nodes that are alive, once these are the wanted ones, or after so many looks.
LIST_NODES = """
import json, sys, time, ray
wanted, gone, looks = json.loads(sys.argv[1])
ray.init("auto", logging_level="CRITICAL", log_to_driver=False)
for _ in range(looks):
    alive = {node["NodeManagerAddress"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
    if sorted(alive) == wanted and not alive.items() & gone.items():
        break
    time.sleep(0.5)
print(json.dumps(alive))
"""
JOBS = "http://localhost:8265"
PROBE = Path(__file__).with_name("probe.py")
INTRUDER = Path(__file__).with_name("intruder.py")
# A study of two trials that take no processor, and end when there is a file called `go` in the study's folder.
WAITS = """
import time
from pathlib import Path

import study


class Waits(study.Training):
    class Config(study.Config):
        n: int = 1

    metrics = (study.lower("loss"),)

    def __init__(self, config, data, seed, device):
        self.steps = 10**6

    def step(self, t):
        time.sleep(0.05)
        if Path("go").exists():
            self.steps = t + 1
        return {"loss": 1.0}


STUDY = study.Study(title="Waits", training=Waits, arms={"one": {}, "two": {"n": 2}})
"""
# Where Ray may leave something that others could get at.
PLACES = ("/tmp", "/dev/shm")
SSHD = """
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/study.pub
PasswordAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
PidFile none
"""


def missing() -> str | None:
    """Which packages of the system such a cluster lacks, or None."""
    lacking = [tool for tool in ("ssh", "sshd", "ssh-keygen", "rsync") if shutil.which(tool) is None]
    return f"not installed: {', '.join(lacking)} (Debian: openssh-server, rsync)" if lacking else None


class Cluster:
    """A laptop, a head and workers; `folder` has their disks, `folder/shared` is ~/shared on all of them."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.shared = folder, folder / "shared"
        self.shared.mkdir()
        for name in ("host_key", "study"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
        self.switch = Switch()
        names = ["laptop", "head", *(f"worker{number}" for number in range(1, workers + 1))]
        self.nodes = {
            name: Node(name, number, folder, self.shared) for number, name in enumerate(names, start=1)
        }
        self.laptop, self.head, *self.workers = self.nodes.values()
        for node in self.nodes.values():
            self._install(node)
            self.start(node)
        self._fill_laptop()

    def _install(self, node: Node) -> None:
        """What the setup commands of clusters/ssh.yaml do where there is a package registry."""
        (node.home / "study-env").mkdir()
        (node.home / "study-env/bin").symlink_to(f"{sys.prefix}/bin")
        pinned = [(REPOSITORY / name).read_text() for name in ("pyproject.toml", "clusters/requirements.txt")]
        (node.home / "study-env/installed").write_text("".join(pinned))
        # The environment is this repository's; what runs on a node is the copy that `ray up` brings there.
        (node.home / ".bashrc").write_text("export PYTHONPATH=~/study\n")
        (node.home / ".ssh").mkdir(mode=0o700)
        for name in ("host_key", "study.pub"):
            shutil.copy(self.folder / name, node.home / ".ssh")
        (node.home / "sshd_config").write_text(SSHD.format(folder=Path.home() / ".ssh"))

    def _fill_laptop(self) -> None:
        home = self.laptop.home
        shutil.copy(self.folder / "study", home / ".ssh/study")
        self.know(self.folder / "host_key.pub")
        (home / ".ray").mkdir()
        (home / ".ray/auth_token").touch(0o600)
        (home / ".ray/auth_token").write_text(TOKEN)
        for name in ("study", "analysis", "search_spaces"):
            shutil.copytree(
                REPOSITORY / name, home / "study" / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        (home / "study/clusters").mkdir()
        for name in ("pyproject.toml", "clusters/requirements.txt", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, home / "study" / name)
        (home / "study/cluster.yaml").write_text(self.filled_in())

    def know(self, key: Path) -> None:
        """Have the laptop take this public key for the head's, and no other."""
        (self.laptop.home / ".ssh/known_hosts").write_text(f"{self.head.address} {key.read_text()}")

    def filled_in(self) -> str:
        """clusters/ssh.yaml with these nodes' addresses, and Ray told how large they are to be."""
        config = yaml.safe_load((REPOSITORY / "clusters/ssh.yaml").read_text())
        config["provider"] |= {
            "head_ip": self.head.address,
            "worker_ips": [worker.address for worker in self.workers],
        }
        config["auth"]["ssh_user"] = psutil.Process().username()
        for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
            commands[:] = [f"{command} {SIZE}" if "ray start" in command else command for command in commands]
        return yaml.safe_dump(config)

    def start(self, node: Node) -> None:
        """Switch a node on, with its ssh server."""
        node.start(self.switch)
        if node is not self.laptop:
            node.run("mkdir", "-p", "/run/sshd")
            node.serve(str(shutil.which("sshd")), "-D", "-e", "-f", f"{Path.home()}/sshd_config")

    def up(self) -> None:
        """`ray up` on the laptop, until every node has joined."""
        self._ray("up")
        self.wait_for_nodes()

    def down(self) -> None:
        self._ray("down")

    def _ray(self, verb: str) -> None:
        done = self.laptop.run("bash", "-c", f"cd ~/study && ray {verb} --yes cluster.yaml")
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]

    def tunnel(self) -> None:
        """The head's job server at the laptop's port 8265, through a new ssh: an old one may lead nowhere."""
        self.laptop.run("pkill", "ssh")
        wait_until(lambda: not self._has_tunnel(), "the end of the old tunnel")
        self.laptop.serve("bash", "-c", "cd ~/study && ray dashboard cluster.yaml")
        wait_until(self._has_tunnel, "the tunnel")

    def _has_tunnel(self) -> bool:
        return 8265 in self.laptop.listening(to_others=False)

    def submit(self, folder: Path, *words: str) -> Job:
        """Begin `study submit --follow` with these words on the laptop, in a folder of the shared storage."""
        self.tunnel()
        place = Path.home() / "shared" / folder.relative_to(self.shared)
        command = f"study submit {shlex.join(words)} --follow --storage {place}/results --address {JOBS}"
        return Job(self.laptop.begin("bash", "-c", f"{ON_NODE}; cd {place} && {command}"))

    def stop(self) -> None:
        """`study stop` on the laptop: the running trials save."""
        done = self.laptop.run("bash", "-c", f"{ON_NODE}; study stop --address {JOBS}")
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_for_nodes(self, *, instead_of: dict[str, str] | None = None) -> None:
        """Until every machine is in the cluster, those that died with another id than before."""
        wanted, gone = sorted(node.address for node in (self.head, *self.workers)), instead_of or {}

        def all_there() -> bool:
            now = self._nodes(wanted, gone, looks=60)
            return sorted(now) == wanted and not now.items() & gone.items()

        wait_until(all_there, f"a cluster of {len(wanted)} nodes")

    def alive(self) -> dict[str, str]:
        """Address and id of the nodes that the head says are alive; none where no head answers."""
        return self._nodes([], {}, looks=1)

    def _nodes(self, wanted: list[str], gone: dict[str, str], looks: int) -> dict[str, str]:
        asked = shlex.join(["python", "-c", LIST_NODES, json.dumps([wanted, gone, looks])])
        done = self.head.run("bash", "-c", f"{ON_NODE}; timeout 90 {asked}")
        # Around it may stand what Ray says of nodes that died.
        told = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return json.loads(told[0]) if done.returncode == 0 else {}

    def probe(self, node: Node, ports: Iterable[int]) -> dict[str, list[str]]:
        """How a node's ports answer to the laptop; probe.py says what comes back."""
        addresses = [f"{node.address}:{port}" for port in sorted(ports)]
        done = self.laptop.run("python", "-c", PROBE.read_text(), TOKEN, *addresses)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def intrude(self, node: Node) -> dict[str, list[str]]:
        """What another user of the node sees and gets at; intruder.py says what comes back."""
        done = node.run("python", "-c", INTRUDER.read_text(), str(UID), *PLACES)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self) -> None:
        for node in self.nodes.values():
            node.kill()
        self.switch.end()


class Job:
    """A study that runs on the cluster, followed from the laptop: what it says comes on stdout."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def result(self) -> subprocess.CompletedProcess[str]:
        out, err = self._process.communicate(timeout=HANG)
        return subprocess.CompletedProcess(self._process.args, self._process.returncode, out, err)
