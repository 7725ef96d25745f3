"""Storages that are no folder, can't be written, or need what is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bad_input import Case

NO_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
}


def folder(mode: int) -> Callable[[Path], None]:
    def make(at: Path) -> None:
        (at / "kept").mkdir()
        (at / "kept").chmod(mode)

    return make


def link(to: str) -> Callable[[Path], None]:
    return lambda at: (at / "kept").symlink_to(to)


def tune(id: str, storage: str, said: str, make: Callable[[Path], object] | None = None, **more) -> Case:
    return Case(f"storage-{id}", ["tune", "good.py", "--storage", storage], said, make=make, lines=3, **more)


def read(id: str, words: str, said: str, files: dict[str, bytes], lines: int = 2) -> Case:
    return Case(f"storage-{id}", words, said, files, lines=lines)


CASES = [
    tune("is-file", "good.py", "storage good.py is a file, not a folder"),
    tune("below-file", "good.py/x", "good.py/x"),
    tune("is-fifo", "kept", "is a file, not a folder", lambda at: os.mkfifo(at / "kept")),
    tune("is-device", "/dev/null", "is a file, not a folder"),
    tune("in-proc", "/proc/kept", "can't be written"),
    tune("read-only", "kept", "can't be written: Permission denied", folder(0o555)),
    tune("below-read-only", "kept/deep/er", "can't be written: Permission denied", folder(0o555)),
    tune("unreadable", "kept", "Permission denied", folder(0)),
    tune("below-unreadable", "kept/x", "Permission denied", folder(0)),
    tune("dangling-link", "kept", "storage", link("absent")),
    tune("link-loop", "kept", "Too many levels of symbolic links", link("kept")),
    tune("link-to-file", "kept", "is a file, not a folder", link("good.py")),
    tune("long-name", "x" * 300, "File name too long"),
    tune("memory", "memory://x", "is this process's memory"),
    tune("unknown-scheme", "nowhere://x", "nowhere"),
    tune("near-scheme", "s4://bucket/x", "s4"),
    tune("http", "http://127.0.0.1:9/x", "127.0.0.1:9"),
    tune("no-credentials", "s3://bucket/x", "s3://bucket/x", environment=NO_CREDENTIALS),
    tune("in-environment", "", "is a file, not a folder", environment={"STUDY_STORAGE": "good.py"}),
    Case("plan-storage-file", "plan good.py --storage good.py", "is a file, not a folder"),
    Case("plan-storage-unreadable", "plan good.py --storage kept", "Permission denied", make=folder(0)),
    Case("plan-storage-scheme", "plan good.py --storage nowhere://x", "nowhere"),
    Case("status-storage-unreadable", "status --storage kept", "Permission denied", make=folder(0)),
    Case("status-storage-scheme", "status --storage nowhere://x", "nowhere"),
    Case("report-storage-unreadable", "report --storage kept", "Permission denied", make=folder(0)),
    Case("verify-storage-scheme", "verify --storage nowhere://x", "nowhere"),
    Case("compare-storage-scheme", "compare nowhere://x nowhere://y", "nowhere"),
    read("study-empty", "verify", "x.json", {"results/studies/x.json": b""}),
    read("study-not-json", "report", "x.json", {"results/studies/x.json": b"{'a': 1"}),
    read("study-of-list", "verify x", "x.json", {"results/studies/x.json": b"[1, 2]"}),
    read("study-bytes", "report x", "x.json", {"results/studies/x.json": bytes(range(256))}),
    read("study-no-arms", "verify", "x.json", {"results/studies/x.json": b'{"name": "x", "arms": []}'}),
    read("study-folder", "report", "x.json", {"results/studies/x.json/y": b""}),
    read("study-deep", "verify", "x.json", {"results/studies/x.json": b"[" * 100_000}),
]
