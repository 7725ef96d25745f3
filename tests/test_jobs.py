"""Studies sent to a cluster: a real Ray head of one node, closed by a token, and the real commands."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from conftest import STUDY_FILE, Study, wait_until

LONG = STUDY_FILE.replace('"epochs": 2', '"epochs": 300').replace('"batch_size": 64', '"batch_size": 16')


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Head:
    """A head of two cores and a logical GPU, and how a user finds it."""

    folder: Path
    address: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        return {"RAY_AUTH_TOKEN_PATH": str(self.folder / "token"), "RAY_API_SERVER_ADDRESS": self.address}

    def sent(self) -> set[str]:
        """The files of all packages that were sent so far and are in use or cached."""
        found = (self.folder / "ray").glob("session_latest/runtime_resources/working_dir_files/_ray_pkg_*")
        return {
            str(path.relative_to(package)) for package in found for path in package.rglob("*") if path.is_file()
        }


def started(folder: Path, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """`ray start` in a process group of its own, and the address of its job server."""
    port = free_port()
    words = ["--head", "--block", f"--port={free_port()}", "--node-ip-address=127.0.0.1"]
    words += ["--dashboard-host=127.0.0.1", f"--dashboard-port={port}", f"--temp-dir={folder / 'ray'}"]
    words += ["--num-cpus=2", "--num-gpus=1", "--object-store-memory=100000000", "--min-worker-port=0"]
    words += ["--max-worker-port=0", "--dashboard-agent-listen-port=0", "--disable-usage-stats"]
    bin_folder = Path(sys.executable).parent
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(
            [bin_folder / "ray", "start", *words],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("STUDY_")},
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "HOME": str(folder),
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "RAY_enable_metrics_collection": "0",
                **environment,
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return head, f"http://127.0.0.1:{port}"
