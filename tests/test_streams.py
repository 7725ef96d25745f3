"""What the commands write: text as it was given, in any encoding, to a terminal, a pipe or a full disk."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Study
from storages import made_storage

MARKUP = '''"""Is [b]it[/i] :100: ?"""
import time
import study

@study.function(study.higher("score", "[/u]", label="score [/i]"), name="fit [/b]")
def fit(report, seed: int, lr: float = 0.1) -> None:
    for step in range(3):
        report(score=seed + lr)
        time.sleep(0.4)

STUDY = study.Study(
    title="A [/b] [log scale] :100:", training=fit, arms={"slow [/red] :100:": {"lr": 0.5}, "[old]": {"lr": 1.0}}
)
'''


def in_a_terminal(study: Study, *words: str) -> tuple[int, str]:
    """The exit code, and all that a terminal of 200 columns gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "study", *words],
        cwd=study.folder, env={**study.environment, "TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    parts = []
    while True:
        try:
            parts.append(os.read(ours, 1 << 16))
        except OSError:  # the other side was closed
            break
    os.close(ours)
    return process.wait(timeout=60), b"".join(parts).decode()


def test_brackets_and_colons_are_printed_as_they_are(study: Study) -> None:
    (study.folder / "lr.py").write_text(MARKUP)
    words = ("tune", "lr.py", "--seeds", "1", "--in-process", "--storage", "r[old]")
    code, shown = in_a_terminal(study, *words)
    assert code == 0, shown
    for text in (
        "A [/b] [log scale] :100:",
        "slow [/red] :100:",
        "[old]",
        "score [/i]",
        "[/u]",
        "r[old]/tables/lr.csv",
    ):
        assert text in shown
    assert in_a_terminal(study, *words)[0] == 0


def ended(study: Study, *words: str, out: int, err: int = subprocess.PIPE) -> tuple[int, str]:
    """The exit code and stderr of a command that writes to this descriptor."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, cwd=study.folder, env=study.environment, stdout=out, stderr=err, text=True, check=False
    )
    return done.returncode, done.stderr or ""


READING = (["study", "status"], ["study", "status", "--json"], ["study", "--help"], ["analysis", "results"])


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_full_disk_behind_stdout_is_a_line_and_an_exit_code_of_its_own(
    study: Study, words: list[str]
) -> None:
    made_storage(study.folder / "results", {"12": (0.9, 0.91)})
    with Path("/dev/full").open("w") as full:
        code, said = ended(study, *words, out=full.fileno())
    assert (code, said) == (4, "stdout can't be written: No space left on device\n")


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_closed_pipe_ends_a_command_quietly(study: Study, words: list[str]) -> None:
    made_storage(study.folder / "results", {"12": (0.9, 0.91)})
    reader, writer = os.pipe()
    os.close(reader)
    code, said = ended(study, *words, out=writer)
    os.close(writer)
    assert (code, said) == (141, "")


def test_a_run_whose_progress_nobody_reads_goes_on(study: Study, tiny_study: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = ("study", "tune", tiny_study.name, "--seeds", "1", "--in-process", "--json")
    code, _ = ended(study, *words, out=subprocess.DEVNULL, err=writer)
    os.close(writer)
    assert code == 0
    assert len(list((study.folder / "results/trials").glob("*/result.json"))) == 2
    assert ended(study, "study", "plan", "nosuch", out=subprocess.DEVNULL)[0] == 2
