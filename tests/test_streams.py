"""What the commands write: text as it was given, in any encoding, to a terminal, a pipe or a full disk."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from conftest import Study

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
