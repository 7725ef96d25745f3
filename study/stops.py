"""Being asked to stop: Ctrl-C, a job that is stopped (SIGTERM), a terminal that is closed (SIGHUP)."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_asked = False


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """All three raise KeyboardInterrupt inside, or do what a library makes of Ctrl-C meanwhile.

    Gives what takes them back from libraries: Ray takes SIGTERM, Tune SIGINT and SIGUSR1 for its time and
    more. Left with the handlers as they were. Elsewhere than in a main thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop(*_: Any) -> None:
        global _asked
        _asked = True
        raise KeyboardInterrupt

    def take() -> None:
        signal.signal(signal.SIGINT, stop)
        for kind in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, lambda *_: signal.raise_signal(signal.SIGINT))

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    take()
    try:
        yield take
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
