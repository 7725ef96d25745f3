"""Being asked to stop: Ctrl-C, a job that is stopped (SIGTERM), a terminal that is closed (SIGHUP)."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_asked = False


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """All three raise KeyboardInterrupt inside, or do what a library makes of Ctrl-C meanwhile.

    Tune takes SIGINT and SIGUSR1 for its time and does not give them back, Ray takes SIGTERM: entered anew
    after each, and left with the handlers as they were. Elsewhere than in a main thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        global _asked
        _asked = True
        raise KeyboardInterrupt

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    signal.signal(signal.SIGINT, stop)
    for kind in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        _forget()
        for kind, handler in before.items():
            signal.signal(kind, handler)


def check_stop() -> None:
    """Ask again where a library's bare `except` caught the KeyboardInterrupt, as it may at an import."""
    if _asked:
        _forget()
        signal.raise_signal(signal.SIGINT)


def _forget() -> None:
    global _asked
    _asked = False
