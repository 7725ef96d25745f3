"""Ray as a run starts it."""

import psutil

from study.ray_session import ray_session
from study.workspace import workspace


def test_a_run_starts_no_process_that_it_never_uses() -> None:
    with workspace() as folder, ray_session(None, folder) as nodes:
        started = [" ".join(of.cmdline()) for of in psutil.Process().children(recursive=True)]
    assert [node.cpus > 0 for node in nodes] == [True]
    assert any("raylet" in words for words in started)
    for unused in ("dashboard/dashboard.py", "monitor.py"):
        assert not any(unused in words for words in started), started
