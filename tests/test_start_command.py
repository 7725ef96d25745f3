"""What is read out of a start command is what a real bash makes of it, for commands made at random."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HANG
from hypothesis import given, settings
from hypothesis import strategies as st

from study.cluster.start_command import PRIVATE, UNKNOWN, NotUnderstood, Start, starts

# Pieces of shell commands; about half of what they make together is understood.
ASSIGNED = [
    "M=token",
    "M=off",
    "A=b",
    "A='c d'",
    "M=$A",
    "A=$M",
    'M="$A"',
    "M=to''ken",
    "A=${A}x",
    "A=",
    "M=$M",
]
ASSIGNED += ["D=$(mktemp -d)", "'M=token'", "A=$(echo x)"]
WORDS = ["--host", "x", "'q r'", "\\a", "--host=$A", "--temp-dir=$D/ray", '"$A"']
OTHERS = ["true", "false", "ray stop", "[ -d /x ]", "echo $A", "ray", "export"]
NOISE = [
    "{a,b}",
    "'a;b'",
    "unset M",
    "M+=x",
    "(",
    "}",
    "!",
    "|",
    "&",
    "$(echo M=off)",
    "#",
    "'",
    "\\",
    "<",
    "eval",
]
JOINTS = [" && "] * 3 + ["; "] * 3 + ["\n", " &&\n", ";\n", " || ", " \\\n "]
assignments = st.lists(st.sampled_from(ASSIGNED), min_size=1, max_size=2).map(" ".join)
exports = st.lists(st.sampled_from([*ASSIGNED, "M", "A", "D"]), max_size=3).map(
    lambda of: " ".join(["export", *of])
)
ray_starts = st.builds(
    lambda before, words: " ".join([*before, "ray start", *words]),
    st.just([]) | st.lists(st.sampled_from(ASSIGNED), max_size=2),
    st.just([]) | st.lists(st.sampled_from(WORDS), max_size=2),
)
parts = st.one_of(assignments, exports, exports, ray_starts, st.sampled_from(OTHERS))
clean = st.lists(st.tuples(parts, st.sampled_from(JOINTS)).map("".join), min_size=1, max_size=5)
COMMANDS = st.builds(
    lambda before, noise, start: "".join([*before, *noise, start]),
    clean,
    st.just([]) | st.just([]) | st.lists(st.sampled_from(NOISE), max_size=1),
    ray_starts,
)
RECORD = """#!/bin/bash
[ "$1" = start ] || exit 0
shift
printf '%s\\0' "M=${M-unset}" "A=${A-unset}" "D=${D-unset}" "$@" >> "$LOG"; printf '\\4\\0' >> "$LOG"
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a `ray` that writes down how it is called."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "ray").write_text(RECORD)
    (folder / "ray").chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@settings(derandomize=True, deadline=None, max_examples=600, database=None)
@given(command=COMMANDS)
def test_what_is_understood_is_what_bash_does(shell: Path, command: str) -> None:
    """Every `ray start` that bash runs was foreseen, with its words and variables."""
    try:
        foreseen = starts(command)
    except NotUnderstood:
        return
    log = shell / "log"
    log.unlink(missing_ok=True)
    environment = {"PATH": f"{shell}:{os.defpath}", "LOG": str(log), "TMPDIR": str(shell)}
    subprocess.run(["bash", "-c", command], env=environment, capture_output=True, cwd=shell, timeout=HANG)
    happened = log.read_text() if log.exists() else ""
    happened = re.sub(rf"{re.escape(str(shell))}/tmp\.\w{{10}}", PRIVATE, happened)
    for run in happened.split("\4\0")[:-1]:
        mode, a, folder, *words = run.split("\0")[:-1]
        values = dict(of.split("=", 1) for of in (mode, a, folder))
        assert any(fits(start, values, words) for start in foreseen), (command, foreseen, run)


def fits(start: Start, values: dict[str, str], words: list[str]) -> bool:
    """Whether this is the start that was foreseen; a variable that it does not know may have any value."""
    known = {name: start.environment.get(name, value) for name, value in values.items()}
    return start.words == words and all(
        UNKNOWN in known[name] or known[name] == values[name] for name in values
    )
