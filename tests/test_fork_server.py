"""Workers are forked from one process that has imported what they need, and are what Ray would have started."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import psutil
from conftest import Study, wait_until

# Its metrics are of its process; what else it finds there, it writes down.
LOOKS = """
import json, os, resource, signal, sys, uuid
from pathlib import Path
import study

def opened(number):
    # A file or a kind of one, without what differs by run.
    try:
        link = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""
    return link.partition(":")[0] if ":" in link else Path(link).suffix

class Looks(study.Training):
    metrics = (study.lower("threads"),)

    def __init__(self, config, data, seed, device):
        self.steps = 1

    def step(self, t):
        found = {
            "parent": Path(f"/proc/{os.getppid()}/cmdline").read_text(),
            "script": Path(sys.argv[0]).name,
            "environment": {name: os.environ.get(name) for name in %s},
            "interrupts": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            "folder": os.getcwd(),
            "hidden": os.environ.get("_STUDY_FORK_SERVER"),
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
            "leads_group": os.getpgrp() == os.getpid(),
            "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
            "files": sorted({link for link in map(opened, os.listdir("/proc/self/fd")) if link}),
            "streams": [os.readlink(f"/proc/self/fd/{number}").rpartition("/")[2][:6] for number in range(3)],
            "drawn": uuid.uuid4().hex,
        }
        Path(f"{os.getpid()}.json").write_text(json.dumps(found))
        return {"threads": len(os.listdir("/proc/self/task"))}

STUDY = study.Study(title="Looks", training=Looks, arms={"a": {}})
""" % (["OMP_NUM_THREADS", "JE_ARROW_MALLOC_CONF", "RAY_JOB_ID", "MINE"],)  # noqa: UP031

# Each trial's process ends the process that it was forked from, and itself, the first time.
KILLS = """
import os, signal
from pathlib import Path
import study

class Kills(study.Training):
    metrics = (study.lower("loss"),)

    def __init__(self, config, data, seed, device):
        self.steps = 1

    def step(self, t):
        parent = Path(f"/proc/{os.getppid()}/cmdline").read_text()
        if "fork_server" in parent:
            Path("killed").touch()
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return {"loss": 1.0}

STUDY = study.Study(title="Kills", training=Kills, arms={"a": {}})
"""


def seen(study: Study, *words: str, **environment: str) -> list[dict[str, Any]]:
    """What the trials of a study of one arm found in their processes."""
    (study.folder / "looks.py").write_text(LOOKS)
    done = study.anew("tune", "looks.py", *words, **environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(path.read_text()) for path in study.folder.glob("*.json")]


def test_a_worker_is_forked_and_has_what_ray_s_own_have(study: Study) -> None:
    """Side by side with one of a run whose server can't start."""
    forked = seen(study, "--seeds", "1", "--cpus-per-trial", "1", MINE="given")
    assert len(forked) == 1
    assert "fork_server" in forked[0].pop("parent")
    for path in study.folder.glob("*.json"):
        path.unlink()
    (study.folder / "broken").mkdir()
    (study.folder / "broken/sitecustomize.py").write_text(
        "import sys\nif sys.flags.safe_path:\n    raise SystemExit('no server')\n"
    )
    words = ("--seeds", "1", "--cpus-per-trial", "1", "--fresh")
    path = os.pathsep.join(filter(None, [str(study.folder / "broken"), os.environ.get("PYTHONPATH")]))
    own = seen(study, *words, MINE="given", PYTHONPATH=path)
    assert len(own) == 1
    assert "raylet" in own[0].pop("parent")
    assert forked[0].pop("drawn") != own[0].pop("drawn")
    assert forked[0] == own[0]


def test_where_the_server_dies_workers_start_as_ray_s_own(study: Study) -> None:
    (study.folder / "kills.py").write_text(KILLS)
    done = study.anew("tune", "kills.py", "--seeds", "2", "--max-failures", "5")
    assert done.returncode == 0, done.stderr
    assert (study.folder / "killed").exists()


def test_workers_of_one_run_draw_different_names(study: Study) -> None:
    found = seen(study, "--seeds", "4", "--cpus-per-trial", "1")
    assert len({one["drawn"] for one in found}) == len(found)


def test_the_server_ends_with_a_run_that_is_killed(study: Study) -> None:
    (study.folder / "long.py").write_text(
        LOOKS.replace("        found =", "        __import__('time').sleep(600)\n        found =")
    )
    run = study.begin("tune", "long.py", "--seeds", "1")

    def server() -> list[psutil.Process]:
        return [one for one in psutil.Process(run.pid).children() if "fork_server" in "".join(one.cmdline())]

    wait_until(lambda: bool(server()), "the server")
    one, *_ = server()
    wait_until(lambda: bool(one.children()), "a worker")
    workers = one.children()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    wait_until(lambda: not any(process.is_running() for process in (one, *workers)), "their end")
