"""A file that is not the published one is refused before it is unpacked, whoever sends it."""

from __future__ import annotations

import gzip
import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import Study
from test_data import idx
from torchvision import datasets

from study import StudyError
from study.images import data, download

MEGABYTE = 1024**2
IMAGES = "train-images-idx3-ubyte"


class Server:
    """A web server on loopback, which is also a proxy: it answers by the last part of a URL."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        # What it announces in place of a file's length, and how often it sends the file.
        self.length: int | None = None
        self.times = 1
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        self.asked.append(name)
        if name not in self.files:
            request.send_error(404)
            return
        request.send_response(200)
        length = self.times * len(self.files[name]) if self.length is None else self.length
        request.send_header("Content-Length", str(length))
        request.end_headers()
        for _ in range(self.times):
            try:
                request.wfile.write(self.files[name])
            except OSError:  # the other side has had enough
                return

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def mnist(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A small MNIST: on the server, and its digests in place of the real one's. The files by their names."""
    arrays = {
        "train-images-idx3-ubyte": np.full((30, 28, 28), 7, np.uint8),
        "train-labels-idx1-ubyte": np.zeros(30, np.uint8),
        "t10k-images-idx3-ubyte": np.full((20, 28, 28), 9, np.uint8),
        "t10k-labels-idx1-ubyte": np.ones(20, np.uint8),
    }
    contents = {}
    for name, array in arrays.items():
        idx(tmp_path / name, array)
        contents[name] = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
    server.files = {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}
    digests = {name: hashlib.sha256(server.files[f"{name}.gz"]).hexdigest() for name in contents}
    monkeypatch.setitem(download.SHA256, "mnist", digests)
    monkeypatch.setitem(download.MIRRORS, "mnist", (server.url,))
    return contents


def refused(folder: Path) -> str:
    """Why MNIST can't be downloaded there; nothing may be left of the attempt."""
    with pytest.raises(StudyError) as raised:
        data.load("mnist", folder)
    assert not folder.exists()
    said, hint = raised.value.mistakes
    assert "--data-dir" in hint
    return said


def test_the_published_files_are_unpacked_and_loaded(
    server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    loaded = data.load("mnist", tmp_path / "data")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data/MNIST/raw").iterdir()} == mnist
    assert (loaded.train_images.min(), loaded.test_images.max(), len(loaded.test_labels)) == (7, 9, 20)
    data.load("mnist", tmp_path / "data")
    assert len(server.asked) == 4


@pytest.mark.parametrize("sent", ["other", "page", "empty", "cut"])
def test_a_file_that_is_not_the_published_one_is_named_and_not_unpacked(
    sent: str, server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    right = server.files[f"{IMAGES}.gz"]
    wrong = {
        "other": gzip.compress(mnist[IMAGES][:-1] + b"\0"),
        "page": b"<!DOCTYPE html>",
        "empty": b"",
        "cut": right[:-1],
    }[sent]
    server.files[f"{IMAGES}.gz"] = wrong
    said = refused(tmp_path / "data")
    found = hashlib.sha256(wrong).hexdigest()[:16]
    assert f"{server.url}{IMAGES}.gz is not the published file ({len(wrong):,} bytes, SHA-256 {found}" in said


def test_a_connection_that_breaks_leaves_nothing(
    server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    whole = server.files[f"{IMAGES}.gz"]
    server.files[f"{IMAGES}.gz"], server.length = whole[:50], len(whole)
    assert f"{IMAGES}.gz is not the published file (50 bytes" in refused(tmp_path / "data")


def test_what_would_unpack_to_gigabytes_is_not_unpacked(
    server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    server.files[f"{IMAGES}.gz"] = gzip.compress(bytes(64 * MEGABYTE)) * 64
    assert 2 * MEGABYTE < len(server.files[f"{IMAGES}.gz"]) < 8 * MEGABYTE
    tracemalloc.start()
    try:
        said = refused(tmp_path / "data")
        assert tracemalloc.get_traced_memory()[1] < 64 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert "is not the published file" in said


def test_what_never_ends_is_not_read_to_its_end(
    server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    server.files[f"{IMAGES}.gz"], server.times = bytes(MEGABYTE), 2**20
    assert "is not the published file (more than 33,554,432 bytes" in refused(tmp_path / "data")


def test_a_mirror_that_lacks_or_changes_a_file_is_made_up_for_by_the_next(
    server: Server, mnist: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent, changed = Server(), Server()
    changed.files = dict.fromkeys(server.files, b"changed")
    monkeypatch.setitem(download.MIRRORS, "mnist", (absent.url, changed.url, server.url))
    assert len(data.load("mnist", tmp_path / "data").train_labels) == 30
    monkeypatch.setitem(download.MIRRORS, "mnist", (absent.url, changed.url))
    said = refused(tmp_path / "other")
    assert f"{absent.url}{IMAGES}.gz: Not Found; {changed.url}{IMAGES}.gz is not the published file" in said
    absent.stop()
    changed.stop()


def test_files_that_are_there_are_the_user_s_own(
    server: Server, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    idx(raw / IMAGES, np.zeros((10, 28, 28), np.uint8))
    idx(raw / "train-labels-idx1-ubyte", np.zeros(10, np.uint8))
    assert len(data.load("mnist", tmp_path).train_images) == 10
    assert server.asked == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


def test_somebody_on_the_way_cannot_change_a_file(server: Server, study: Study) -> None:
    """The real command and the real addresses, through a proxy that lets no https through."""
    server.files[f"{IMAGES}.gz"] = gzip.compress(b"changed")
    (study.folder / "one.py").write_text(
        "from study import Study\nSTUDY = Study(title='One', arms={'one': {'width': 2}})\n"
    )
    proxy = {"http_proxy": server.url, "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    done = study("plan", "one.py", "--dataset", "kmnist", **proxy, PYTHONDONTWRITEBYTECODE="1")
    downloading, said, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert downloading == f"Downloading http://codh.rois.ac.jp/kmnist/dataset/kmnist/{IMAGES}.gz"
    assert "Connection refused; http://codh" in said
    assert "is not the published file (27 bytes" in said
    assert "KMNIST/raw" in hint
    assert not (study.folder / "data").exists()


@pytest.mark.parametrize("name", sorted(download.KINDS))
def test_every_file_has_a_digest_and_the_place_that_torchvision_gives_it(name: str) -> None:
    kind = getattr(datasets, download.KINDS[name])
    wanted = kind.resources
    if name == "qmnist":
        wanted = [*wanted["train"], *wanted["test"]]
    torchvisions = {url.rpartition("/")[2] for url, _ in wanted}
    assert {f"{path.name}.gz" for path in download.files(name, Path())} == torchvisions
    laid = object.__new__(kind)
    laid.root = ""
    assert {path.parent for path in download.files(name, Path())} == {Path(laid.raw_folder)}
    assert all(len(bytes.fromhex(digest)) == 32 for digest in download.SHA256[name].values())
    assert download.MIRRORS[name][0].startswith("https://")
