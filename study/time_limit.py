"""A time limit for code that is not ours: it is interrupted or, where it can't be, its process is ended."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
from collections.abc import Iterator
from typing import Any


class TimeLimit(BaseException):
    """The code took longer than it may; no Exception, so that an `except Exception` does not catch it."""


@contextlib.contextmanager
def time_limit(seconds: float | None, said: str, end_after: float | None = None) -> Iterator[None]:
    """Raises TimeLimit(said) inside the block after so many seconds; None is no limit.

    Code that does not come back to Python can't be interrupted: `end_after` seconds later the process is
    ended. Only a main thread can be interrupted; elsewhere, and where signals have no timers, there is no
    limit.
    """
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(*_: Any) -> None:
        raise TimeLimit(said)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    if end_after is not None:
        faulthandler.dump_traceback_later(max(seconds, 0) + end_after, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if end_after is not None:
            faulthandler.cancel_dump_traceback_later()
