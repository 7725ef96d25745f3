"""A storage that a thread reads again and again, and what it holds at the moment."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from study.status import rows_of
from study.store import running_file
from study.store.files import StorageError, is_local
from study.store.local_files import Listed
from study.store.records import Damaged, allowed_names
from study.store.trial_store import MOST_STUDY_BYTES, States, TrialStore, keys_of

if TYPE_CHECKING:
    from analysis import Results

Made = TypeVar("Made")

# How often the running trials are asked, and the storage is listed, where that is quick.
LOCAL_SECONDS, REMOTE_SECONDS = 0.5, 5.0
# Of the time so much goes into listing at most: a storage of ten thousand trials takes a fifth of a second.
COST_RATIO = 10
# Results are read in portions, so that a page can say how far that is.
PORTION_SECONDS = 1.0
# A file that could not be read is tried again after so long: it may have been replaced.
AGAIN_SECONDS = 30.0
# Of each machine so many moments are kept: at one a second an hour and more.
MOST_MOMENTS = 5000

NOTHING = States(set(), set(), set(), set(), set(), set())


@dataclass(frozen=True)
class Snapshot:
    """What a storage held when it was last read.

    records: the studies, by name. rows: how far each is, as `status.rows_of` gives it. running: what running trials
    say of themselves, by key. versions: of each study a number that grows whenever something of it changes but what
    its running trials say; beats: one that grows with that. changed: when that was, first seen at the start. problems:
    files that can't be read. unread: results that are still to be read. away: why the storage can't be read at all.
    read_at: when that was; None before the first time.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: States = NOTHING
    running: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    beats: int = 0
    changed: dict[str, datetime] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unread: int = 0
    away: str = ""
    read_at: datetime | None = None


class _Record(NamedTuple):
    """A study's record, the digest of its file, and its trials."""

    digest: str
    record: dict[str, Any]
    keys: frozenset[str]


class Following:
    """Follows all studies of a storage, or those that are named."""

    def __init__(self, store: TrialStore, names: Iterable[str] = ()) -> None:
        self.store = store
        self.now = Snapshot()
        # By node, when, and what of the machine was in use.
        self.machines: dict[str, deque[tuple[str, dict[str, float]]]] = {}
        self._names = frozenset(names)
        self._every = LOCAL_SECONDS if is_local(store.root) else REMOTE_SECONDS
        self._listed: Listed = {}
        self._list_again = 0.0
        self._records: dict[str, _Record] = {}
        self._keys: frozenset[str] = frozenset()  # of all studies' trials
        self._rows: dict[str, dict[str, Any]] = {}
        self._unreadable: dict[str, tuple[float, str]] = {}
        self._marks: dict[str, object] = {}
        self._whole = False  # every result has been read once
        self._made: dict[tuple[str, str], tuple[int, Any]] = {}
        self._making = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="following", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join()

    def results(self, study: str) -> Results:
        """What is known of a study's trials at this moment. Raises KeyError where there is no such study."""
        from study.analysis.results import gathered

        def gather() -> Results:
            now = self.now
            record = now.records[study]
            rows = dict(self._rows)  # to which our thread goes on to add
            known = (rows.keys() | now.states.stopped) & self._records[study].keys
            found: Results = gathered(self.store, {study: record}, now.states, known, rows)
            return found

        return self.made(study, "results", gather)

    def made(self, study: str, what: str, make: Callable[[], Made]) -> Made:
        """What `make` gives, made anew only where something of the study has changed."""
        with self._making:  # requests come from several threads
            version = self.now.versions[study]
            if (study, what) not in self._made or self._made[study, what][0] != version:
                self._made[study, what] = version, make()
            found: Made = self._made[study, what][1]
            return found

    def _follow(self) -> None:
        while not self._ended.wait(self._pause()):
            started = time.monotonic()
            try:
                if started >= self._list_again:
                    self._list()
                    self._list_again = time.monotonic() + COST_RATIO * (time.monotonic() - started)
                problems = self._ask_running()
                self._read_results()
                self._count(problems)
            except StorageError as problem:
                self.now = replace(self.now, away=str(problem))

    def _pause(self) -> float:
        if not self.now.away and (self.now.read_at is None or self.now.unread):
            return 0.0
        return self._every

    def _list(self) -> None:
        """Which studies and trials there are, and how far those are."""
        if self.now.records and is_local(self.store.root) and not self.store.root.exists():
            raise StorageError(f"{self.store.root} is not there any more")
        names, problems = allowed_names(self.store.studies(), self.store.root)
        records = {}
        for name in names:
            if self._names and name not in self._names:
                continue
            try:
                self._records[name] = self._record(name)
                records[name] = self._records[name].record
            except Damaged as problem:
                problems.append(str(problem))
        self._keys = frozenset().union(*(self._records[name].keys for name in records))
        states = self.store.states(self._listed)
        for key in [*self._rows.keys() - states.finished]:
            del self._rows[key]  # it is trained anew
        self.now = replace(
            self.now,
            records=records,
            states=states,
            problems=tuple(problems),
            away="",
        )

    def _record(self, name: str) -> _Record:
        """A study's record, which is checked only where the file is another one."""
        content = self.store.files.read(f"studies/{name}.json", MOST_STUDY_BYTES)
        digest = hashlib.sha256(content or b"").hexdigest()
        known = self._records.get(name)
        if known and known.digest == digest:
            return known
        record = self.store.study(name)
        return _Record(digest, record, frozenset(keys_of(record)))

    def _ask_running(self) -> list[str]:
        """What running trials say; what of it can't be read."""
        now = self.now
        asked = now.states.running & self._keys
        running, problems = running_file.running(self.store, sorted(asked))
        if asked - running.keys():  # they may have ended since the last listing
            self._list_again = min(self._list_again, time.monotonic() + self._every)
        moved = [one["updated"] for one in running.values()] != [
            one["updated"] for one in now.running.values()
        ]
        self.now = replace(now, running=running, beats=now.beats + moved)
        for said in sorted(running.values(), key=lambda said: said["updated"]):
            course = self.machines.setdefault(said["node"], deque(maxlen=MOST_MOMENTS))
            if said.get("machine") and (not course or said["updated"] > course[-1][0]):
                course.append((said["updated"], said["machine"]))
        return problems

    def _read_results(self) -> None:
        """Read results that are new, for a while."""
        from study.analysis.trial_table import row_of

        until = time.monotonic() + PORTION_SECONDS
        wanted = self._keys & self.now.states.finished
        tired = time.monotonic() - AGAIN_SECONDS
        new = [key for key in sorted(wanted - self._rows.keys())
               if key not in self._unreadable or self._unreadable[key][0] < tired]  # fmt: skip
        left = len(new)
        for key in new:
            if time.monotonic() > until or self._ended.is_set():
                break
            left -= 1
            try:
                self._rows[key] = row_of(self.store.result(key))
                self._unreadable.pop(key, None)
            except Damaged as problem:
                self._unreadable[key] = time.monotonic(), str(problem)
        self.now = replace(self.now, unread=left)

    def _count(self, problems: list[str]) -> None:
        """What has changed of each study since it was last counted."""
        now = self.now
        rows = {row["study"]: row for row in rows_of(now.records, now.states, now.running)}
        versions, changed = dict(now.versions), dict(now.changed)
        for name in now.records:
            digest, _, keys = self._records[name]
            counts = {what: n for what, n in rows[name].items() if what != "now"}
            known = keys & self._rows.keys()
            # While many are read, what is made of them is made anew where there are twice as many.
            read = len(known).bit_length() if now.unread else known
            mark = digest, counts, read, keys & now.running.keys()
            if mark != self._marks.get(name):
                changed[name] = datetime.now(UTC) if self._whole else self._last_begun(known)
                versions[name] = versions.get(name, 0) + 1
                self._marks[name] = mark
        unreadable = [problem for _, problem in self._unreadable.values()]
        said = tuple(dict.fromkeys([*now.problems, *unreadable, *problems]))
        self.now = replace(
            now, rows=rows, versions=versions, changed=changed, problems=said, read_at=datetime.now(UTC)
        )
        self._whole = self._whole or not now.unread

    def _last_begun(self, keys: Iterable[str]) -> datetime:
        """When the last of these trials was begun, as far as they say so."""
        try:
            return datetime.fromisoformat(max((self._rows[key]["started"] for key in keys), default=""))
        except ValueError:
            return datetime.now(UTC)
