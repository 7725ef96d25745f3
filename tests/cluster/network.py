"""Machines in namespaces on one real one: a switch, and on it nodes that see only themselves.

Every namespace is anonymous and lives as long as its first process; each of those dies with the test's
process, however that ends, so nothing is left behind. The machine's own network is not touched.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from conftest import HANG, wait_until

PREFIX = "10.77.0"
TOOLS = ("ip", "unshare", "nsenter", "setpriv")
LOOPBACK = ("127.", "::ffff:127.", "::1")
SPACES = ("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL")
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
# What a node must find under the same path as here.
NEEDED = {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2]}


def missing() -> str | None:
    """Why this machine can't have such nodes, or None."""
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(lacking)} (Debian: iproute2, util-linux)"
    tried = subprocess.run([*SPACES, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"namespaces are not allowed here: {tried.stderr.strip()}"


def run(*words: str | Path, pid: int | None = None) -> None:
    """Run a command, in the network of a process where its `pid` is given."""
    into = ["nsenter", "--target", str(pid), "--net"] if pid else []
    subprocess.run([*into, *words], check=True)


class Switch:
    """A bridge in a network namespace of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([*DIES_WITH_US, "unshare", "--net", "sleep", "infinity"])
        self.pid = self._process.pid
        ours = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: Path(f"/proc/{self.pid}/ns/net").readlink() != ours, "the switch's namespace")
        self.ip("link", "add", "bridge", "type", "bridge")
        self.ip("addr", "add", f"{PREFIX}.254/24", "dev", "bridge")
        self.ip("link", "set", "bridge", "up")

    def ip(self, *words: str) -> None:
        run("ip", *words, pid=self.pid)

    def plug(self, node: Node) -> None:
        """Give the node a cable, an address, and a default route: Ray asks the route for its own address."""
        self.ip("link", "add", node.name, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
        self.ip("link", "set", node.name, "master", "bridge", "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{node.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", f"{PREFIX}.254"),
        ):
            run("ip", *words, pid=node.pid)

    def cut(self, node: Node) -> None:
        """Pull the node's cable: packets vanish, connections stay open and silent."""
        self.ip("link", "set", node.name, "down")

    def join(self, node: Node) -> None:
        self.ip("link", "set", node.name, "up")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Node:
    """A machine: its own network, processes, hostname, /tmp, /dev/shm, /run and home folder.

    `folder` holds its disk: the home folder stays when the node dies, the rest does not. `shared` is a folder
    of all nodes, at ~/shared.
    """

    def __init__(self, name: str, number: int, folder: Path, shared: Path) -> None:
        self.name, self.address = name, f"{PREFIX}.{number}"
        self.home, self._folder, self._shared = folder / name / "home", folder / name, shared
        self.home.mkdir(parents=True)

    def start(self, switch: Switch) -> None:
        """Switch the machine on."""
        boot = self._folder / "boot.sh"
        boot.write_text(self._boot())
        ready = self._folder / "ready"
        ready.unlink(missing_ok=True)
        with (self._folder / "console.txt").open("a") as console:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, *SPACES, "bash", "-eu", str(boot)], stdout=console, stderr=console
            )
        wait_until(
            lambda: (ready.exists() and ready.stat().st_size) or self._process.poll() is not None,
            f"{self.name}'s start",
        )
        assert self._process.poll() is None, (self._folder / "console.txt").read_text()
        (first,) = psutil.Process(self._process.pid).children()
        self.pid = first.pid
        switch.plug(self)

    def _boot(self) -> str:
        """What the machine's first process does. Mounts are made beside their place and moved there last."""
        places = {str(Path.home()): self.home, "/tmp": self._folder / "tmp"}
        lines = ["mount --make-rprivate /", f"hostname {self.name}"]
        lines += [f"mkdir -p {places['/tmp']}", f"mount -t tmpfs tmpfs {places['/tmp']}"]
        lines += [f"mkdir -p {self.home}/shared", f"mount --bind {self._shared} {self.home}/shared"]
        for path in NEEDED:
            for place, ours in places.items():
                if path.is_relative_to(place):
                    back = ours / path.relative_to(place)
                    lines += [f"mkdir -p {back}", f"mount --bind {path} {back}"]
        lines += [f"chmod 1777 {places['/tmp']}", f"exec 3> {self._folder}/ready"]
        # The folder itself may lie in /tmp, which is therefore the last.
        lines += [f"mount --rbind {self.home} {Path.home()}", f"mount --rbind {places['/tmp']} /tmp"]
        lines += [f"mount -t tmpfs tmpfs {folder}" for folder in ("/dev/shm", "/run")]
        lines += ["mount -t proc proc /proc", "cd /", "echo >&3"]
        lines += ["exec 3>&-", "while true; do sleep 1; done"]
        return "\n".join(lines) + "\n"

    def command(self, *words: str) -> list[str]:
        """The words that run a command on the node, in an environment of its own."""
        path = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        environment = ["env", "-i", f"HOME={Path.home()}", f"PATH={path}", "LANG=C.UTF-8", "TERM=dumb"]
        inside = ["nsenter", "--target", str(self.pid), "--all", f"--wd={Path.home()}"]
        return [*inside, *environment, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=HANG)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command on the node, its output piped; it ends with the node."""
        return subprocess.Popen(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def serve(self, *words: str) -> None:
        """Start a command that stays, its output on the node's console."""
        with (self._folder / "console.txt").open("a") as console:
            subprocess.Popen(self.command(*words), stdout=console, stderr=console)

    def listening(self, *, to_others: bool = True) -> set[int]:
        """The TCP ports that other machines can reach, or that only the node itself can."""
        done = self.run("ss", "--listening", "--tcp", "--numeric", "--no-header")
        places = [line.split()[3].rpartition(":") for line in done.stdout.splitlines()]
        return {int(port) for host, _, port in places if host.strip("[]").startswith(LOOPBACK) != to_others}

    def processes(self) -> Iterator[psutil.Process]:
        """What runs on the node."""
        ours = Path(f"/proc/{self.pid}/ns/pid").readlink()
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):  # it has just ended
                if Path(f"/proc/{process.pid}/ns/pid").readlink() == ours:
                    yield process

    def titles(self) -> list[str]:
        """The command lines of what runs on the node."""
        lines = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                lines.append(" ".join(process.cmdline()))
        return lines

    def kill(self) -> None:
        """Pull the plug: every process of the node ends with SIGKILL, its network vanishes."""
        if self._process.poll() is None:
            psutil.Process(self.pid).kill()
            self._process.wait()
