"""A head's start command from clusters/ssh.yaml on one machine, where another user was first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster import network
from cluster.network import Node, Switch
from cluster.nodes import REPOSITORY, SIZE, TOKEN
from conftest import wait_until
from other_user import UID

reason = network.missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
]

# Another user's server at the job server's port.
SQUATTER = f"""
import os, socket, time
os.setresuid({UID}, {UID}, {UID})
with socket.create_server(("127.0.0.1", 8265)):
    time.sleep(300)
"""


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "shared").mkdir()
    switch = Switch()
    node = Node("head", 1, tmp_path, tmp_path / "shared")
    try:
        node.start(switch)
        (node.home / ".ray").mkdir()
        (node.home / ".ray/auth_token").touch(0o600)
        (node.home / ".ray/auth_token").write_text(TOKEN)
        (node.home / "ray_bootstrap_config.yaml").write_text("{}")
        yield node
    finally:
        node.kill()
        switch.end()


def test_no_head_starts_whose_job_server_s_port_is_another_user_s(head: Node) -> None:
    """Whoever has that port is sent the token."""
    commands = yaml.safe_load((REPOSITORY / "clusters/ssh.yaml").read_text())["head_start_ray_commands"]
    start = next(command for command in commands if "ray start" in command)

    def started() -> bool:
        return head.run("bash", "-c", f"{start} {SIZE}").returncode == 0

    head.serve("python", "-c", SQUATTER)
    wait_until(lambda: 8265 in head.listening(to_others=False), "the other user's server")
    assert not started()
    head.run("ray", "stop", "--force")
    head.run("pkill", "-f", "8265")
    wait_until(lambda: 8265 not in head.listening(to_others=False), "its end")
    assert started()
    assert 8265 in head.listening(to_others=False)
