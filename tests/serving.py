"""`study serve` in a process of its own, for tests that ask it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conftest import HANG, wait_until


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Served:
    """A page that is served, by its address."""

    address: str
    process: subprocess.Popen[str]

    def ask(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """What is answered, redirections as they come; `host_` is the header Host."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=HANG)
        sent = {name.rstrip("_").replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def wait_for(self, path: str, pattern: str) -> str:
        """The page, as soon as it has this."""
        found = ""

        def has() -> bool:
            nonlocal found
            found = self.ask(path).text
            return re.search(pattern, found) is not None

        wait_until(has, f"{pattern} on {path}")
        return found


@contextmanager
def served(folder: Path, *words: str, **environment: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "study", "serve", "--port", "0", *words],
        cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate()[1])
        yield Served(line.split()[0], process)
    finally:
        process.kill()
        process.communicate()
