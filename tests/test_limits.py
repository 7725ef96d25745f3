"""The cores and the memory that a container or an affinity leaves."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HANG, Study, wait_until

from study.running import limits

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
MiB = 1024**2


def system(folder: Path, groups: str, mounts: str, **files: str) -> Path:
    """A /proc/self as the kernel writes it, of groups that lie in `folder`; names of files have : for /."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "cgroup").write_text(groups)
    (folder / "mountinfo").write_text(mounts.replace("@", str(folder)))
    return folder


V1 = (
    "32 31 0:29 {root} @/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} @/memory rw,relatime - cgroup cgroup rw,memory\n"
)
V2 = "30 23 0:26 {root} @/all rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_version_1_the_smallest_limit_on_the_way_to_the_root_counts(tmp_path: Path) -> None:
    files = {
        "cpu/a/cpu.cfs_quota_us": "150000\n", "cpu/a/cpu.cfs_period_us": "100000\n",
        "cpu/a/b/cpu.cfs_quota_us": "-1\n", "cpu/a/b/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/m/memory.limit_in_bytes": "1000\n",
    }  # fmt: skip
    proc = system(tmp_path, "4:memory:/m\n1:cpu,cpuacct:/a/b\n", V1.format(root="/"), **files)
    assert (limits.cores(proc), limits.memory_bytes(proc)) == (1.5, 1000)


def test_version_2_as_a_container_sees_it(tmp_path: Path) -> None:
    files = {"all/cpu.max": "50000 100000\n", "all/memory.max": "2000\n"}
    proc = system(tmp_path, "0::/\n", V2.format(root="/"), **files)
    assert (limits.cores(proc), limits.memory_bytes(proc)) == (0.5, 2000)


def test_a_path_from_the_root_of_the_machine_where_only_a_part_is_seen(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    proc = system(tmp_path, "1:cpu,cpuacct:/docker/1\n", V1.format(root="/docker/1"), **files)
    assert (limits.cores(proc), limits.memory_bytes(proc)) == (2.0, None)


def test_no_limit_and_no_control_groups_are_none(tmp_path: Path) -> None:
    proc = system(
        tmp_path, "0::/\n", V2.format(root="/"), **{"all/cpu.max": "max 100000\n", "all/memory.max": "max\n"}
    )
    assert (limits.cores(proc), limits.memory_bytes(proc)) == (None, None)
    assert (limits.cores(tmp_path / "none"), limits.memory_bytes(tmp_path / "none")) == (None, None)


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_ray_gets_the_cores_that_the_affinity_leaves() -> None:
    code = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from study.running.ray_session import ray_session
from study.running.scratch import workspace
with workspace() as folder, ray_session(None, folder) as nodes:
    print([node.cpus for node in nodes])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG)
    assert done.stdout == "[1.0]\n", done.stderr


def made_group(controller: str, name: str, **values: str) -> tuple[Path, Callable[[], None]]:
    """A real control group of version 1 with these values; where it can't be made, the test is skipped."""
    folder = Path("/sys/fs/cgroup", controller, name)
    try:
        folder.mkdir()
        for file, value in values.items():
            (folder / f"{controller}.{file}").write_text(value)
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no control group of version 1 can be made here: {error}")
    return folder, folder.rmdir


def inside(group: Path, study: Study, words: str) -> subprocess.CompletedProcess[str]:
    """`study` with these words, as a process of the group."""
    command = f"echo $$ > {group}/cgroup.procs && exec {sys.executable} -m study {words}"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=study.folder,
        env=study.environment,
        capture_output=True,
        text=True,
        timeout=HANG,
    )


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_a_plan_in_a_real_group_with_a_quota_of_one_core_says_one_at_once(
    study: Study, tiny_study: Path
) -> None:
    group, remove = made_group("cpu", f"study-test-{os.getpid()}", cfs_quota_us="100000")
    try:
        done = inside(group, study, "plan tiny_width.py --json")
    finally:
        remove()
    assert done.returncode == 0, done.stderr
    assert {row["at once"] for row in json.loads(done.stdout)["arms_of"]} == {1}


def test_ray_gets_the_memory_of_a_real_group() -> None:
    group, remove = made_group("memory", f"study-test-{os.getpid()}", limit_in_bytes=str(2048 * MiB))
    code = "from study.running.ray_session import _own_share; share = _own_share(); print(share['_memory'] // 2**20)"
    try:
        inside = f'echo $$ > {group}/cgroup.procs && exec {sys.executable} -c "{code}"'
        done = subprocess.run(["sh", "-c", inside], capture_output=True, text=True, timeout=HANG)
    finally:
        remove()
    assert int(done.stdout) in range(1400, 1450), done.stderr


HUNGRY = '''"""Which appetite is too large?"""
import time
from ray import tune
import study

@study.function(study.lower("eaten"))
def hungry(report, megabytes: int = 1):
    eaten = []
    for _ in range(10):
        eaten.append(b"x" * (megabytes * 2**20 // 10))
        time.sleep(0.1)
    return {"eaten": len(eaten)}

STUDY = study.Study(title="Hungry", training=hungry, scientific={"megabytes": tune.grid_search([10, 4000])})
'''


def test_a_trial_that_exceeds_the_memory_of_a_real_group_says_so_and_the_others_go_on(study: Study) -> None:
    (study.folder / "hungry.py").write_text(HUNGRY)
    group, remove = made_group("memory", f"study-test-{os.getpid()}", limit_in_bytes=str(2048 * MiB))
    try:
        done = inside(group, study, "tune hungry.py --seeds 1 --max-failures 0")
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "the end of the group's processes")
        remove()
    assert done.returncode == 1, done.stderr
    assert "hungry 10 seed 0: eaten 10" in done.stderr
    assert (
        "hungry 4000 seed 0: failed: its process was lost, and the kernel ended one for want of memory"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 0\n"),
        ("memory.oom_control", "under_oom 0\noom_kill 3\n"),
    ],
)
def test_processes_ended_for_want_of_memory_are_counted(tmp_path: Path, name: str, text: str) -> None:
    proc = system(
        tmp_path, "0::/a\n", V2.format(root="/"), **{f"all/a/{name}": text, f"all/{name}": "oom_kill 9\n"}
    )
    assert (limits.memory_kills(proc), limits.memory_kills(tmp_path / "none")) == (3, 0)
