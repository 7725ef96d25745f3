"""What is said of an address, a client and a token before anything is sent."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import ray
from conftest import Study, wait_until
from other_user import UID, needs_root
from ray_head import free_port

VERSION = json.dumps({"ray_version": ray.__version__}).encode()
TINY = ("submit", "tiny_width.py", "--seeds", "1", "--storage", "s3://bucket/results")


@contextlib.contextmanager
def server(answer: bytes, statuses: Sequence[int] = (), port: int = 0) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the Authorization headers that it has got so far.

    It answers everybody who has the token `secret`, or with these statuses first, whatever it gets.
    """
    got: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(self.headers["Authorization"] or "")
            known = 200 if got[-1] == "Bearer secret" else 401
            self.send_response(statuses[len(got) - 1] if len(got) <= len(statuses) else known)
            self.end_headers()
            self.wfile.write(answer)

        do_CONNECT = do_GET

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as made:
        threading.Thread(target=made.serve_forever).start()
        yield f"http://127.0.0.1:{made.server_address[1]}", got
        made.shutdown()


def test_another_version_and_another_server_are_named(study: Study, tiny_study: Path) -> None:
    for answer, said in (
        (json.dumps({"ray_version": "2.9.3"}).encode(), "has Ray 2.9.3, this machine 2."),
        (b"[]", "is not Ray's job server"),
        (b"<html>", "is not Ray's job server"),
    ):
        with server(answer) as (address, _):
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


def test_the_token_goes_through_no_proxy_and_to_no_other_place(study: Study) -> None:
    with server(b"", [302] * 9) as (proxy, met), server(VERSION) as (address, got):
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"), proxy)
        study("status", "--address", address, RAY_AUTH_TOKEN="secret", **proxies)
    assert met == []
    assert "Bearer secret" in got


def test_the_token_is_sent_to_nobody_who_does_not_ask_for_it(study: Study) -> None:
    with server(VERSION, [200] * 9) as (address, got):
        study("status", "--address", address, RAY_AUTH_TOKEN="secret", RAY_AUTH_MODE="token")
    assert len(got) > 1
    assert set(got) == {""}


def test_over_http_the_token_leaves_this_machine_on_demand_alone(study: Study, tiny_study: Path) -> None:
    for words in (TINY, ("status",), ("logs",), ("stop",)):
        done = study(*words, "--address", "http://192.0.2.1:8265", RAY_AUTH_TOKEN="secret")
        assert done.returncode == 2
        assert "http does not encrypt it" in done.stderr
        assert "--trust-address" in done.stderr


def test_a_token_that_is_refused_later_is_said_in_a_line(study: Study) -> None:
    for statuses in ([401, 200, 200, 401, 401], [200, 200, 403, 403]):
        with server(VERSION, statuses) as (address, _):
            done = study("status", "--address", address, RAY_AUTH_TOKEN="other")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert f"The job server at {address} failed: " in done.stderr


@contextlib.contextmanager
def another_user_s_server(port: int) -> Iterator[None]:
    """A server of another user on this loopback port, which would take any token."""
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            with server(VERSION, [401, 200], port):
                time.sleep(120)
        finally:
            os._exit(0)
    try:
        wait_until(
            lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "the other user's server"
        )
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@needs_root
def test_another_user_who_took_the_tunnel_s_port_gets_no_token(study: Study) -> None:
    port = free_port()
    words = ("status", "--address", f"http://localhost:{port}")
    with another_user_s_server(port):
        refused = study(*words, RAY_AUTH_TOKEN="secret")
        trusted = study(*words, "--trust-address", RAY_AUTH_TOKEN="secret")
    assert refused.returncode == 2
    assert f"another user of this machine, {UID}, who would get the token" in refused.stderr
    assert "who would get the token" not in trusted.stderr
