"""What is said of an address, a client and a token before anything is sent."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import ray
from conftest import HANG, Study
from other_user import UID, needs_root
from ray_head import free_port

# Python and Ray's client need less than half of this.
MOST_MEMORY = 3 * 1024**3
# Python would take an hour to decode it.
PUNYCODE = b"HTTP/1.1 500 No\r\nContent-Type: text/plain; charset=punycode\r\nContent-Length: 4000000\r\n\r\n"
PUNYCODE += b"a" * 4_000_000
VERSION = json.dumps({"ray_version": ray.__version__}).encode()
TINY = ("submit", "tiny_width.py", "--seeds", "1", "--storage", "s3://bucket/results")


@contextlib.contextmanager
def server(
    answer: bytes, statuses: Sequence[int] = (), then: bytes | None = None
) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the Authorization headers that it has got so far.

    It answers everybody who has the token `secret`, or with these statuses first, whatever it gets. `then` is
    the answer to all but the question for its version.
    """
    got: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(self.headers["Authorization"] or "")
            known = 200 if got[-1] == "Bearer secret" else 401
            self.send_response(statuses[len(got) - 1] if len(got) <= len(statuses) else known)
            self.end_headers()
            self.wfile.write(answer if then is None or self.path == "/api/version" else then)

        do_CONNECT = do_POST = do_GET

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
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
        assert "did not answer in 10 s" in said(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    "answer",
    [b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", b"Content-Length: 100\r\n\r\nshort"],
    ids=["chunks", "cut off"],
)
def test_an_answer_that_breaks_off_is_said_in_a_line(study: Study, tiny_study: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answers() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\n" + answer)

        threading.Thread(target=answers, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = study(*TINY, "--address", address, RAY_AUTH_TOKEN="secret")
        listening.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert address in done.stderr


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
        assert f"The job server at {address} failed: it refuses the token by now" in done.stderr


@contextlib.contextmanager
def another_user_s_server(port: int, said: Path) -> Iterator[None]:
    """Another user listens on this loopback port, a moment yes and a moment no, and asks for the token."""
    said.touch(0o666)
    said.chmod(0o666)
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            serve_now_and_then(port, said)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def serve_now_and_then(port: int, said: Path) -> None:
    """A listener that is gone by the time that somebody looks who it is."""
    for turn in range(100_000):
        server = socket.create_server(("127.0.0.1", port))
        server.settimeout(0.003)
        with contextlib.suppress(TimeoutError, ConnectionError):
            client, _ = server.accept()
            server.close()
            client.settimeout(1)
            heard = client.recv(4096).decode()
            if "Bearer" in heard:
                said.write_text("Bearer secret" if "Bearer secret" in heard else heard)
            status = "200 OK" if "Bearer" in heard else "401 No"
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(VERSION)}\r\n\r\n".encode() + VERSION)
            client.close()
        server.close()
        time.sleep(0.003 if turn % 2 else 0.0)


@needs_root
def test_another_user_who_takes_the_tunnel_s_port_gets_no_token(study: Study, tmp_path: Path) -> None:
    port, said = free_port(), tmp_path / "said"
    words = ("status", "--address", f"http://localhost:{port}")
    # Another user must be able to reach the file.
    for folder in said.parents:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    with another_user_s_server(port, said):
        outcomes = [study(*words, RAY_AUTH_TOKEN="secret") for _ in range(8)]
        assert said.read_text() == ""
        for _ in range(60):
            study(*words, "--trust-address", RAY_AUTH_TOKEN="secret")
            if said.read_text():
                break
    assert all(done.returncode == 2 for done in outcomes)
    assert any(f"another user of this machine listens, {UID}" in done.stderr for done in outcomes)
    assert said.read_text() == "Bearer secret", "this server would have had it"


def answering(address_of: socket.socket, head: bytes, drip: float = 0) -> None:
    """Answer everybody with these bytes; then a byte each `drip` seconds, or a hundred thousand, for -1."""
    while True:
        try:
            client, _ = address_of.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            client.recv(4096)
            client.sendall(head)
            while drip:
                client.sendall(b" " * (10**5 if drip < 0 else 1))
                time.sleep(max(0, drip))


@pytest.mark.parametrize(
    ("head", "drip", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]", 0, "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 0.5, "did not answer in 10 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b" " * 10**8, 0, "answers with more than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", -1, "in chunks"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", -1, "answers with more than"),
        (PUNYCODE, 0, "is not Ray's job server"),
    ],
    ids=["compressed", "dripping", "endless", "a chunk without end", "a redirect without end", "punycode"],
)
def test_an_answer_is_bounded_in_time_and_size(study: Study, head: bytes, drip: float, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answering, args=(server, head, drip), daemon=True).start()
        asking = study.begin("status", "--address", f"127.0.0.1:{server.getsockname()[1]}")
        resource.prlimit(asking.pid, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        _, err = asking.communicate(timeout=HANG)
    assert asking.returncode == 2, err
    assert said in err
    assert "Traceback" not in err


def test_a_password_for_all_servers_is_not_sent(study: Study) -> None:
    (study.folder / ".netrc").write_text("default login me password hunter2")
    (study.folder / ".netrc").chmod(0o600)
    with server(VERSION) as (address, got):
        study("status", "--address", address, RAY_AUTH_TOKEN="secret", HOME=str(study.folder))
    assert "Bearer secret" in got
    assert not [header for header in got if header.startswith("Basic")]


@pytest.mark.parametrize("address", ["http://evil.example\\@127.0.0.1:9", "http://me@127.0.0.1:9"])
def test_an_address_that_can_be_read_in_two_ways_is_refused(study: Study, address: str) -> None:
    done = study("status", "--address", address)
    assert done.returncode == 2
    assert "give scheme, host and port alone" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"[1, null]",
        b'[{"type": "SUBMISSION", "submission_id": "x", "status": "RUNNING", "start_time": 1e18}]'.replace(
            b"1e18", b"1" + b"0" * 18
        ),
        b'{"a": 1}',
        b"[[[]]]",
    ],
)
def test_odd_answers_end_in_a_line(study: Study, answer: bytes) -> None:
    with server(VERSION, [200] * 99, then=answer) as (address, _):
        for words in (("status",), ("logs",), ("logs", "x"), ("stop", "x")):
            done = study(*words, "--address", address)
            assert "Traceback" not in done.stderr, done.stderr
