"""TensorBoard's event files of trials that run grow: this follows what the trials say of themselves."""

from __future__ import annotations

import threading

from study.store import running_file
from study.store.files import is_local
from study.store.tensorboard import EventFiles
from study.store.trial_store import TrialStore

# An object store's file is written anew each time.
LOCAL_SECONDS, REMOTE_SECONDS = 2.0, 20.0


class LiveEvents:
    """A `study.running.listener.Listener`. As a context it follows the trials in a thread of its own.

    Only those that this run trains: another run on the storage, with --tensorboard too, writes the files of its own.
    """

    def __init__(self, store: TrialStore, events: EventFiles) -> None:
        self._store = store
        self._events = events
        self._running: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="event files", daemon=True)

    def reported(self, key: str) -> None:
        self._running.add(key)

    def finished(self, key: str) -> None:
        self._running.discard(key)
        self._events.write(key)

    def __enter__(self) -> LiveEvents:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._events.close()

    def _follow(self) -> None:
        pause = LOCAL_SECONDS if is_local(self._store.root) else REMOTE_SECONDS
        while not self._ended.wait(pause):
            # What can't be read now may be in the next round, and is read whole once the trial has ended.
            found, _ = running_file.running(self._store, sorted(self._running.copy()))
            for key, said in found.items():
                self._events.grow(key, said)
