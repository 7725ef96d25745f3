"""What `study serve` costs with 10,000 trials in the storage: seconds to its pages, memory, and 50 clients who follow.

    python benchmarks/page.py                            # 10 arms x 1,000 seeds: about a minute
    python benchmarks/page.py --shape 1000x10 --clients 50

While the clients follow the study's page, a result goes and comes back every second, so that every second the page is
made anew. CPU is the server's, in shares of one core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from load import made

PAGES = ("", "study/load", "study/load/curves.json", "study/load/effects.json", "study/load/table.csv")

# What the page says while results are still to be read.
NOT_READ = (b"is being read for the first time", b"still to be read")


def seconds_of(address: str) -> float:
    """How long the answer takes to come as a whole."""
    started = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        answer.read()
    return time.perf_counter() - started


def follow(address: str, ended: threading.Event, renewed: list[int]) -> None:
    """What a browser does on the study's page: at each event it asks for the page and its figures."""
    tags: dict[str, str] = {}
    try:
        with urllib.request.urlopen(f"{address}events?study=load") as events:
            for line in events:
                if line.startswith(b"data:"):
                    for page in PAGES[1:4]:
                        renew(address + page, tags)
                    renewed.append(1)
    except OSError:
        if not ended.is_set():
            raise


def renew(address: str, tags: dict[str, str]) -> None:
    """Ask for a page of which a version may be known."""
    request = urllib.request.Request(address, headers={"If-None-Match": tags.get(address, "")})
    try:
        with urllib.request.urlopen(request) as answer:
            tags[address] = answer.headers["ETag"]
            answer.read()
    except urllib.error.HTTPError as same:
        if same.code != 304:
            raise


def main() -> None:
    """Make the storage, then measure."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--shape", default="10x1000", metavar="ARMSxSEEDS")
    words.add_argument("--clients", type=int, default=50)
    words.add_argument("--seconds", type=float, default=20.0, help="for which the clients follow")
    words.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.make:
        made(given.make, *map(int, given.shape.split("x")))
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", folder, "--shape", given.shape], check=True)
        measure(Path(folder), given.clients, given.seconds)


def measure(folder: Path, clients: int, seconds: float) -> None:
    """Start the server over the storage in this folder, ask it, and have it asked."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "study", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        try:
            ask(folder, address, psutil.Process(server.pid), started, clients, seconds)
        finally:
            server.terminate()


def ask(
    folder: Path, address: str, process: psutil.Process, started: float, clients: int, seconds: float
) -> None:
    """Ask the server at this address, which was started then, and print a line for each number."""
    seconds_of(address)
    print(f"{time.perf_counter() - started:8.2f} s from the command to the first page")
    while any(said in urllib.request.urlopen(address).read() for said in NOT_READ):
        time.sleep(0.2)
    print(f"{time.perf_counter() - started:8.2f} s until every result is read")
    for page in PAGES:
        first, again = seconds_of(address + page), seconds_of(address + page)
        print(f"{first:8.2f} s for /{page}, {again * 1000:.0f} ms for whoever asks next")
    ended, renewed = threading.Event(), list[int]()
    threads = [
        threading.Thread(target=follow, args=(address, ended, renewed), daemon=True) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(3)
    before, begun, renewed[:] = sum(process.cpu_times()[:2]), time.perf_counter(), []
    result = min(folder.glob("results/trials/*/result.json"))
    content, times = result.read_bytes(), 0
    while time.perf_counter() - begun < seconds:
        result.unlink() if times % 2 == 0 else result.write_bytes(content)
        times += 1
        time.sleep(1)
    share = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
    times_each = len(renewed) / clients
    print(f"{share:8.2f} of a core, {clients} clients who each renewed the page {times_each:.0f} times")
    print(f"{process.memory_info().rss / 1e6:8.0f} MB of memory")
    ended.set()


if __name__ == "__main__":
    main()
