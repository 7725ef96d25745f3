"""A process whose output is read as it comes: what it measures, its last lines, and that nothing of it stays."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from study.errors import StudyError

# Of a line; what is longer is cut. And the last lines that are shown of a process that failed.
MOST_IN_LINE = 1024 * 1024
LAST_LINES, SHOWN_OF_LINE = 10, 300
# What a process gets between the signal that asks it to end and the one that ends it.
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1
# Looked up before a process is forked, which must not load anything.
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Process:
    """A process in a session of its own, started at once.

    Its standard output, or a file that it writes, is read line by line. Raises StudyError where it can't be started.
    """

    def __init__(self, words: list[str], folder: Path, file: Path | None = None) -> None:
        self._file = file
        self._ended = False
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._lines: Iterator[str] = self._read()
        try:
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise StudyError(f"{words[0]} can't be started: {error.strerror}") from None

    def rows(
        self, names: Collection[str], patterns: Mapping[str, re.Pattern[str]]
    ) -> Iterator[dict[str, Any]]:
        """What its lines measure, as they come; they end where it ends.

        Raises StudyError where it fails, or prints half a line of JSON.
        """
        for line in self._lines:
            found = {name: match[1] for name, pattern in patterns.items() if (match := pattern.search(line))}
            row = {name: _number(name, text, line) for name, text in found.items()} or _of_json(line, names)
            if row:
                yield row

    def _read(self) -> Iterator[str]:
        """The lines of its file, or of its output, until it has ended."""
        read = b""
        for part in self._parts():
            *lines, read = (read + part).split(b"\n")
            read = read[:MOST_IN_LINE]
            yield from (line[:MOST_IN_LINE].decode(errors="replace") for line in lines)
        if read:
            yield read.decode(errors="replace")
        code = self._process.wait()
        self.end()
        if code:
            said = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise StudyError(f"the command {said}", *(f"  {line}" for line in self._last))

    def _parts(self) -> Iterator[bytes]:
        """What it writes to its file, or else prints, piece by piece."""
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        os.set_blocking(out, False)
        at = 0
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            printing = True
            while True:
                # Asked before its output is read: a child that it left may keep that open for ever.
                ended = self._process.poll() is not None
                if printing and selector.select(0 if ended else POLL_SECONDS):
                    part = _printed(out)
                    printing = part != b""
                    self._note(part or b"")
                    if self._file is None and part:
                        yield part
                        continue
                elif not printing and not ended:
                    time.sleep(POLL_SECONDS)
                if self._file is not None:
                    with contextlib.suppress(FileNotFoundError), self._file.open("rb") as file:
                        file.seek(at)
                        while part := file.read(MOST_IN_LINE):
                            at += len(part)
                            yield part
                if ended:
                    return

    def _note(self, part: bytes) -> None:
        """Keep its last lines."""
        for line in part.decode(errors="replace").splitlines()[-LAST_LINES:]:
            if line.strip():
                self._last.append(line[:SHOWN_OF_LINE])

    def end(self) -> None:
        """End it, and what it started and left; once, since the number of its group may be another's afterwards."""
        if self._ended:
            return
        self._ended = True
        group = self._process.pid
        # A container may have nobody who takes what was killed off the list of processes.
        for kind, grace in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 1.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, kind)
            deadline = time.monotonic() + grace
            while _lives(group) and time.monotonic() < deadline:
                self._process.poll()
                time.sleep(0.01)
            if not _lives(group):
                break
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _printed(out: int) -> bytes | None:
    try:
        return os.read(out, 65536)
    except BlockingIOError:
        return None


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, of a group of which only zombies are left
        return False
    return True


def _of_json(line: str, names: Collection[str]) -> dict[str, Any] | None:
    """The metrics of a line of JSON; None where it is another line."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        if any(f'"{name}"' in line for name in names):
            raise StudyError(f"printed a line that begins as JSON and is none: {line[:200]!r}") from None
        return None
    if not isinstance(value, dict):
        return None
    return {name: number for name, number in value.items() if name in names}


def _number(name: str, text: str, line: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise StudyError(f"read {text!r} as {name} in {line[:200]!r}, which is no number") from None


def _end_with_parent() -> None:
    """Called in the new process: it ends when the one that started it does, however that ends."""
    assert PRCTL is not None
    PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
