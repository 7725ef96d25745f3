"""A run on one machine, seen from another one: none of its ports is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import network
from cluster.network import Node, Switch
from conftest import STUDY_FILE, wait_until

reason = network.missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
]

LONG_FILE = STUDY_FILE.replace('"batch_size": 64, "epochs": 2', '"batch_size": 16, "epochs": 5000')
# Whether a port of a machine takes a connection: `knock ADDRESS PORT...` prints those that do.
KNOCK = """
import socket, sys
for port in map(int, sys.argv[2:]):
    with socket.socket() as client:
        client.settimeout(5)
        if client.connect_ex((sys.argv[1], port)) == 0:
            print(port)
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """One that trains, and another in its network."""
    (tmp_path / "shared").mkdir()
    switch = Switch()
    made = [
        Node(name, n, tmp_path, tmp_path / "shared") for n, name in enumerate(("trains", "looks"), start=1)
    ]
    try:
        for node in made:
            node.start(switch)
        yield made[0], made[1]
    finally:
        for node in made:
            node.kill()
        switch.end()


def test_no_port_of_a_local_run_is_reached_from_another_machine(machines: tuple[Node, Node]) -> None:
    trains, looks = machines
    (trains.home / "long.py").write_text(LONG_FILE)
    trains.serve("bash", "-c", "cd ~ && study tune long.py --seeds 1 --checkpoint-every 0.2")
    wait_until(lambda: any(trains.home.glob("results/trials/*/checkpoint.pt")), "a trial")
    inside = trains.listening(to_others=False)
    assert len(inside) > 5, "Ray's own ports were not among them"
    assert trains.listening() == set()
    knocked = looks.run("python", "-c", KNOCK, trains.address, *map(str, sorted(inside)))
    assert (knocked.returncode, knocked.stdout) == (0, ""), knocked.stderr
    (trains.home / "server.py").write_text(
        "import http.server as h; h.test(h.BaseHTTPRequestHandler, port=8080)"
    )
    trains.serve("bash", "-c", "cd ~ && python server.py")
    wait_until(lambda: 8080 in trains.listening(), "a server that is open")
    assert looks.run("python", "-c", KNOCK, trains.address, "8080").stdout == "8080\n"
