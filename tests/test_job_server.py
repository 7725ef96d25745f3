"""What is said of an address, a client and a token before anything is sent."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from conftest import Study
from ray_head import free_port

TINY = ("submit", "tiny_width.py", "--seeds", "1", "--storage", "s3://bucket/results")


@contextlib.contextmanager
def server(answer: bytes) -> Iterator[str]:
    """The address of a server that answers everybody who has a token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Authorization"] == "Bearer secret" else 401)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


def test_another_version_and_another_server_are_named(study: Study, tiny_study: Path) -> None:
    for answer, said in (
        (json.dumps({"ray_version": "2.9.3"}).encode(), "has Ray 2.9.3, this machine 2."),
        (b"[]", "is not Ray's job server"),
        (b"<html>", "is not Ray's job server"),
    ):
        with server(answer) as address:
            done = study(*TINY, "--address", address, RAY_AUTH_TOKEN="secret")
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_where_no_job_server_answers_it_is_said_in_seconds(study: Study, tiny_study: Path) -> None:
    def said(address: str) -> str:
        done = study(*TINY, "--address", address)
        assert done.returncode == 2
        return done.stderr

    assert "Connection refused" in said(f"http://127.0.0.1:{free_port()}")
    assert "http://localhost:8265" in said("ray://127.0.0.1:10001")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in said(f"127.0.0.1:{silent.getsockname()[1]}")


def test_rays_job_client_is_missed_in_a_line(study: Study, tiny_study: Path) -> None:
    (study.folder / "without").mkdir()
    (study.folder / "without/aiohttp.py").write_text("raise ImportError")
    path = f"{study.folder / 'without'}:{Path(__file__).parents[1]}"
    done = study(*TINY, "--address", "127.0.0.1:9", PYTHONPATH=path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'ray[default]'" in done.stderr


def test_a_token_is_made_once_and_for_its_owner_alone(study: Study) -> None:
    path = study.folder / "secrets/token"
    done = study("cluster-token", RAY_AUTH_TOKEN_PATH=str(path))
    assert done.returncode == 0, done.stderr
    token = path.read_text()
    assert len(token) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert "export RAY_AUTH_MODE=token" in done.stdout
    assert token not in done.stdout + done.stderr
    again = study("cluster-token", RAY_AUTH_TOKEN_PATH=str(path))
    assert (again.returncode, path.read_text()) == (2, token)
    assert study("cluster-token", "--force", RAY_AUTH_TOKEN_PATH=str(path)).returncode == 0
    assert path.read_text() != token
    assert path.stat().st_mode & 0o777 == 0o600
