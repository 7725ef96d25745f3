"""Whatever is wrong with a request is said in a line or two; nothing is written and no traceback shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bad_input import GOOD, Answer, Case, answer, clusters, data, flags, paths, settings, storage, studies
from conftest import HANG, Study
from storages import made_storage

ROOT = Path(__file__).parents[1]
CASES = [case for of in (paths, studies, flags, settings, data, storage, clusters) for case in of.CASES]
BY_ID = {case.id: case for case in CASES}


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def prepared(case: Case, tmp_path: Path) -> tuple[Path, Path]:
    folder, logs = tmp_path / "folder", tmp_path / "logs"
    folder.mkdir()
    logs.mkdir()
    case.prepare(folder)
    return folder, logs


def check(case: Case, told: Answer, new: set[str]) -> None:
    assert case.said in told.err
    assert (told.code, told.out, new) == (2, "", set()), told.err
    assert "Traceback" not in told.err
    assert 1 <= len(told.err.splitlines()) <= case.lines, told.err


def test_no_case_hides_another() -> None:
    assert len(BY_ID) == len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_wrong_request_is_said_and_writes_nothing(case: Case, tmp_path: Path) -> None:
    folder, logs = prepared(case, tmp_path)
    before = listing(folder)
    told = answer(case.argv(), folder, logs, case.environment)
    check(case, told, listing(folder) - before)


IN_A_PROCESS = """missing-name fifo bytes-name base-exception endless set-two-mistakes seeds-text
tune-gpus-too-many mnist-truncated-images own-raises-tune storage-is-file"""


@pytest.mark.parametrize("name", IN_A_PROCESS.split())
def test_a_process_of_its_own_says_the_same(name: str, study: Study) -> None:
    case = BY_ID[name]
    case.prepare(study.folder)
    before = listing(study.folder)
    done = study(*case.argv(), **case.environment, PYTHONDONTWRITEBYTECODE="1")
    check(case, Answer(done.returncode, done.stdout, done.stderr), listing(study.folder) - before)


def test_an_interrupt_while_a_study_file_is_read_is_no_mistake(tmp_path: Path) -> None:
    case = Case("interrupt", "tune x.py", "", {"x.py": "raise KeyboardInterrupt"})
    told = answer(case.argv(), *prepared(case, tmp_path))
    assert told == (130, "", "Stopped; what was trained is kept. To continue: study tune x.py\n")


UNUSUAL = [
    Case("cluster-aws", f"cluster-check {ROOT / 'cluster.yaml'}", ""),
    Case("cluster-ssh", f"cluster-check {ROOT / 'clusters/ssh.yaml'}", ""),
    Case("spaces", ["plan", "my studies/a good one.py"], "", {"my studies/a good one.py": GOOD}),
    Case("unicode", "plan größe/幅.py", "", {"größe/幅.py": GOOD}),
    Case("dots-and-dashes", "plan a.b-c+d.py", "", {"a.b-c+d.py": GOOD}),
    Case("dot-slash", "plan ./good.py", ""),
    Case("dot-dot", "plan sub/../good.py", "", {"sub/x": ""}),
    Case("twice", "plan good.py good.py", ""),
    Case("long", f"plan {'x' * 100}.py", "", {f"{'x' * 100}.py": GOOD}),
    Case("link", "plan link.py", "", make=lambda at: (at / "link.py").symlink_to("good.py")),
    Case("link-to-folder", "plan l/good.py", "", {"r/good.py": GOOD}, lambda at: (at / "l").symlink_to("r")),
    Case("byte-order-mark", "plan x.py", "", {"x.py": b"\xef\xbb\xbf" + GOOD.encode()}),
    Case("windows-lines", "plan x.py", "", {"x.py": GOOD.replace("\n", "\r\n")}),
    Case("declared-latin-1", "plan x.py", "", {"x.py": b"# coding: latin-1\n# caf\xe9\n" + GOOD.encode()}),
    Case("changes-folder", "plan x.py", "", {"x.py": GOOD + "import os\nos.chdir('/')"}),
    Case("empty-arm-label", "plan x.py", "", {"x.py": GOOD.replace("narrow", "")}),
    Case("no-time-limit-hit", "plan good.py", "", environment={"STUDY_LOAD_SECONDS": "0.5"}),
    Case("storage-with-space", ["plan", "good.py", "--storage", "my results"], ""),
    Case("storage-empty", "plan good.py --storage kept", "", make=lambda at: (at / "kept").mkdir()),
    Case("storage-file-url", "status --storage file:///nowhere/kept", ""),
    Case("data-folder-unused", "plan good.py --data-dir nowhere", ""),
    Case("settings", 'plan good.py --set lr=1e-3 --set nesterov=true --set momentum=0.9', ""),
]  # fmt: skip


@pytest.mark.parametrize("case", UNUSUAL, ids=lambda case: case.id)
def test_what_is_merely_unusual_works(case: Case, tmp_path: Path) -> None:
    folder, logs = prepared(case, tmp_path)
    before = listing(folder)
    told = answer(case.argv(), folder, logs, case.environment)
    assert (told.code, told.err) == (0, ""), told.err
    assert told.out
    assert listing(folder) == before


def in_a_small_disk(words: str, folder: Path) -> Answer:
    """The command with ./results on a disk of its own that has no room left; it is gone with the process."""
    script = "mount -t tmpfs -o size=64k,nr_inodes=4 full results && touch results/1 results/2 results/3 && "
    unshare = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("needs a namespace in which a disk can be mounted")
    done = subprocess.run(
        [*unshare, "sh", "-c", f"{script} exec {sys.executable} -m study {words}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=HANG,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def test_a_full_storage_is_said(tmp_path: Path) -> None:
    case = Case("full", "", "can't be written: No space left on device", lines=3)
    folder, _ = prepared(case, tmp_path)
    (folder / "results").mkdir()
    check(case, in_a_small_disk("tune good.py", folder), set())


@pytest.mark.parametrize("out", ["good.py", "good.py/x", "/proc/x", "shut/x"])
def test_a_report_that_cannot_be_written_is_said(out: str, tmp_path: Path) -> None:
    case = Case("out", ["report", "--out", out], f"--out {out} can't be written", lines=1)
    folder, logs = prepared(case, tmp_path)
    made_storage(folder / "results", {"a": [0.9, 0.91]})
    (folder / "shut").mkdir(mode=0o555)
    before = listing(folder)
    check(case, answer(case.argv(), folder, logs), listing(folder) - before)
