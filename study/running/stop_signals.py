"""Being asked to stop: Ctrl-C, a job that is stopped (SIGTERM), a terminal that is closed (SIGHUP)."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_asked = False
# The signal by which all others stop: SIGINT, or SIGUSR1 where SIGINT is ignored. Tune handles both alike.
_stops = signal.SIGINT
# How long a line of a log takes, and more.
LATER_SECONDS = 0.1
IMPORT = "<frozen importlib._bootstrap>"


@contextlib.contextmanager
def stop_signals(*, last: bool = False) -> Iterator[Callable[[], None]]:
    """Inside, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, or do what a library makes of Ctrl-C meanwhile.

    Yields a function that installs these handlers again; call it after Ray or Tune have replaced them (Ray takes
    SIGTERM, Tune SIGINT and SIGUSR1, and Tune does not give them back).

    A signal that is ignored already stays ignored: SIGHUP under nohup, SIGINT of a job in the background of a script.

    last: the process ends afterwards. All three signals are then ignored from the end of the block on, so that the
        process ends with its own exit code. Otherwise the handlers are put back as they were.

    Elsewhere than in the main thread it does nothing, since only that can set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    global _stops
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    ignored = {kind for kind, handler in before.items() if handler is signal.SIG_IGN}
    stops_before, _stops = _stops, signal.SIGUSR1 if signal.SIGINT in ignored else signal.SIGINT
    stops = _stops

    def stop(_: int, frame: FrameType | None) -> None:
        global _asked
        _asked = True
        if _has_a_lock(frame):
            threading.Timer(LATER_SECONDS, os.kill, (os.getpid(), stops)).start()
            return
        raise KeyboardInterrupt

    def pass_on(*_: object) -> None:
        meanwhile = signal.getsignal(stops)
        signal.raise_signal(stops)
        if meanwhile is not stop:  # Tune's, which heard the first one; the second stops at once
            signal.signal(stops, stop)

    def take() -> None:
        signal.signal(stops, stop)
        for kind in {signal.SIGTERM, signal.SIGHUP} - ignored:
            signal.signal(kind, pass_on)

    take()
    try:
        yield take
    finally:
        _forget()
        _stops = stops_before
        for kind, handler in before.items():
            signal.signal(kind, signal.SIG_IGN if last else handler)
        if last:
            _forget_in_c()


def _has_a_lock(frame: FrameType | None) -> bool:
    """Whether Python's import or its logging may have its lock here.

    It would stay taken for ever where what is raised is ignored, as within a fork's hooks and callbacks.
    """
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    interrupted = next(
        (file for file in files if file != __file__), ""
    )  # none where Ray passes on what it put off
    return interrupted == IMPORT or logging.__file__ in files


def check_stop() -> None:
    """Ask again where a library's bare `except` caught the KeyboardInterrupt, as it may at an import."""
    if _asked:
        _forget()
        signal.raise_signal(_stops)


def _forget_in_c() -> None:
    """Let the process end with its own exit code.

    CPython notes a KeyboardInterrupt that leaves code run from C, as libraries do while they are imported, and
    `python -m` ends by SIGINT in the end, though it was caught. It notes anew with each such code.
    """
    ctypes.pythonapi.PyRun_SimpleString(b"pass")


def _forget() -> None:
    global _asked
    _asked = False
