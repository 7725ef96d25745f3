"""Run on a node by root: what another user of it gets at in some folders and whatever lies in them.

    python intruder.py UID FOLDER...

Prints a JSON object: `seen`, all that root sees there, and `got`, what the other user could do, a verb and a
path: list a folder, fill it, read, write or replace a file, connect to a socket.
"""

import contextlib
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

WAIT = 10


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(WAIT)
        client.connect(str(path))


def replace(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.before")).rename(path)


def fill(path: Path) -> None:
    (path / "intruder").mkdir()
    (path / "intruder").rmdir()


def read(path: Path) -> None:
    path.open("rb").close()


def write(path: Path) -> None:
    path.open("ab").close()


def attempts(mode: int) -> list:
    if stat.S_ISLNK(mode):
        return []
    if stat.S_ISDIR(mode):
        return [os.listdir, fill, replace]
    return [connect, replace] if stat.S_ISSOCK(mode) else [read, write, replace]


def within(folder: Path, mounts: list[Path]) -> Iterator[Path]:
    """All that lies in the folder, but for what is mounted there, such as the tests' own environment."""
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = [name for name in folders if not any(m.is_relative_to(here / name) for m in mounts)]
        yield from (here / name for name in [*folders, *names])


_, uid, *folders = sys.argv
mounted = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]
seen = {}
for path in (path for folder in folders for path in within(Path(folder), mounted)):
    with contextlib.suppress(FileNotFoundError):  # it has just gone
        seen[path] = path.lstat().st_mode

os.setgroups([])
os.setresgid(int(uid), int(uid), int(uid))
os.setresuid(int(uid), int(uid), int(uid))
got = []
for path, mode in seen.items():
    for attempt in attempts(mode):
        with contextlib.suppress(OSError):
            attempt(path)
            got.append(f"{attempt.__name__} {path}")
print(json.dumps({"seen": sorted(map(str, seen)), "got": got}))
