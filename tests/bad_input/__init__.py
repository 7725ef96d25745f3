"""Requests that are wrong, one table per kind, and the real command line in a warm, forked process."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

GOOD = """from study import Study
STUDY = Study(title="Good", arms={"narrow": {"width": 2}, "wide": {"width": 4}},
              fixed={"dataset": "digits", "batch_size": 64})
"""
SECONDS = 60
# A proxy that refuses is the nearest thing to no network that a test can make by itself.
NOWHERE = "http://127.0.0.1:9"
PLAIN = {"NO_COLOR": "1", "COLUMNS": "200", "http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": ""}


@dataclass(frozen=True)
class Case:
    """A request, the files that lie about, and what must be said of it.

    `words` are split as a shell would; `make` does to the folder what the content of files can't.
    """

    id: str
    words: str | list[str]
    said: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    make: Callable[[Path], object] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    lines: int = 2

    def prepare(self, folder: Path) -> None:
        """Lay out the files: `good.py`, a sound study of two arms, and those of the case."""
        for name, content in {"good.py": GOOD, **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if self.make:
            self.make(folder)

    def argv(self) -> list[str]:
        return shlex.split(self.words) if isinstance(self.words, str) else self.words


class Answer(NamedTuple):
    code: int
    out: str
    err: str


# Heavy imports once, in a server process; each request is a fork of it, as clean as a process of its own.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "bad_input",
        "study.__main__",
        "study.api",
        "study.cli.printing",
        "study.images.models",
        "ray.tune",
        "torch._dynamo",
        "torchvision.datasets",
    ]
)


def answer(
    words: list[str], folder: Path, logs: Path, environment: Mapping[str, str] | None = None
) -> Answer:
    """What `study WORDS...` says in this folder; it must end within SECONDS."""
    out, err = logs / "stdout", logs / "stderr"
    process = _context.Process(target=_main, args=(words, folder, out, err, dict(environment or {})))
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    return Answer(process.exitcode, out.read_text(errors="replace"), err.read_text(errors="replace"))


def _main(words: list[str], folder: Path, out: Path, err: Path, environment: dict[str, str]) -> None:
    for name, number in ((out, 1), (err, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    _forbid_what_only_root_may()
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith("STUDY_")]:
        del os.environ[name]
    # Not the token of whoever runs the tests.
    os.environ |= {"RAY_AUTH_TOKEN_PATH": str(folder.parent / "no-token"), **PLAIN, **environment}
    sys.argv = ["study", *words]
    sys.dont_write_bytecode = True
    from study.__main__ import main

    main()


def _forbid_what_only_root_may() -> None:
    """Without capabilities a file's permissions hold for root as well."""
    if os.geteuid() == 0:
        version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert ctypes.CDLL(None).capset(version_3, (ctypes.c_uint32 * 6)()) == 0
