"""Study files that can't be found or read."""

from __future__ import annotations

import os
from pathlib import Path

from bad_input import GOOD, Case


def link(name: str, to: str):
    return lambda folder: (folder / name).symlink_to(to)


def locked(name: str):
    def make(folder: Path) -> None:
        (folder / name).write_text(GOOD)
        (folder / name).chmod(0)

    return make


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")


def shut_folder(folder: Path) -> None:
    (folder / "shut").mkdir()
    (folder / "shut/good.py").write_text(GOOD)
    (folder / "shut").chmod(0)


CASES = [
    Case("missing", "plan absent.py", "There is no file absent.py"),
    Case("missing-in-folder", "plan sub/absent.py", "There is no file sub/absent.py"),
    Case("missing-absolute", "tune /absent/absent.py", "There is no file /absent/absent.py"),
    Case("missing-name", "plan network_widht", "did you mean 'network_width'?"),
    Case("missing-name-far", "plan zzzzzz", "There is no study 'zzzzzz'"),
    Case("second-of-two-missing", "plan good.py absent.py", "There is no file absent.py"),
    Case("empty-path", ["plan", ""], ". is a folder"),
    Case("blank-path", ["plan", " "], "There is no study"),
    Case("newline-path", ["plan", "a\nb.py"], "There is no file"),
    Case("escape-path", ["plan", "\x1b[31mred.py"], r"\x1b[31mred.py"),
    Case("folder", "plan .", "is a folder"),
    Case("folder-called-py", "plan sub.py", "is a folder", make=lambda f: (f / "sub.py").mkdir()),
    Case("not-python", "plan notes.txt", "is not a Python file", {"notes.txt": GOOD}),
    Case("capital-suffix", "plan GOOD.PY", "is not a Python file", {"GOOD.PY": GOOD}),
    Case("dangling-link", "plan link.py", "There is no file link.py", make=link("link.py", "absent.py")),
    Case("link-loop", "plan loop.py", "Too many levels of symbolic links", make=link("loop.py", "loop.py")),
    Case("link-to-folder", "plan link.py", "is a folder", make=link("link.py", ".")),
    Case("link-to-device", "plan link.py", "is not a Python file", make=link("link.py", "/dev/null")),
    Case("fifo", "plan pipe.py", "is not a Python file", make=fifo),
    Case("device", "plan /dev/zero", "is not a Python file"),
    Case("unreadable-file", "plan shut.py", "Permission denied", make=locked("shut.py")),
    Case("unreadable-folder", "plan shut/good.py", "Permission denied", make=shut_folder),
    Case("below-a-file", "plan good.py/good.py", "There is no file"),
    Case("long-name", f"plan {'x' * 300}.py", "x.py"),
    Case("long-word", f"plan {'x' * 300}", "xxx"),
    Case("long-path", f"plan {'d/' * 3000}x.py", "x.py"),
    Case("bytes-name", ["plan", os.fsdecode(b"\xff\xfe.py")], "There is no file"),
    Case(
        "bytes-name-existing",
        ["plan", os.fsdecode(b"\xff.py")],
        "study name",
        make=lambda f: (f / os.fsdecode(b"\xff.py")).write_text(GOOD),
    ),
    Case("name-of-dots", "plan ...py", "study name", {"...py": GOOD}),
    Case("name-too-long", f"plan {'x' * 120}.py", "at most 100", {f"{'x' * 120}.py": GOOD}),
    Case("name-with-colon", "plan a:b.py", "study name", {"a:b.py": GOOD}),
    Case(
        "two-of-one-name", "plan good.py sub/good.py", "Two studies are called 'good'", {"sub/good.py": GOOD}
    ),
    Case("utf16", "plan x.py", "not valid Python", {"x.py": GOOD.encode("utf-16")}),
    Case("latin1", "plan x.py", "not valid Python", {"x.py": "STUDY = 'caf\xe9'\n".encode("latin-1")}),
    Case("null-bytes-inside", "plan x.py", "not valid Python", {"x.py": GOOD.encode() + b"\0"}),
    Case("binary", "plan x.py", "not valid Python", {"x.py": bytes(range(256))}),
    Case(
        "unknown-encoding", "plan x.py", "not valid Python", {"x.py": b"# coding: nonsense\n" + GOOD.encode()}
    ),
    Case("compiled", "plan x.py", "x.py", {"x.py": b"\xa7\r\r\n" + bytes(12) + b"\xe3"}),
]
