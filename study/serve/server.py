"""Starts the server of the pages, and ends it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence

import uvicorn

from study.errors import StudyError
from study.serve.app import Pages
from study.serve.following import Following
from study.serve.guard import Guard, allowed_hosts

# What is still open is ended after so long where we are told to stop.
LAST_SECONDS = 3


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises StudyError where the port is taken or the address is not ours."""
    try:
        return socket.create_server((host, port), family=_family(host), backlog=128)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise StudyError(f"{host}:{port} can't be listened on: {said}", "Name another with --port.") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def serve(
    followings: Mapping[str, Following],
    sockets: Sequence[socket.socket],
    host: str,
    token: str | None,
    more_hosts: Sequence[str],
    begun: Callable[[], None],
    until: Callable[[], object] | None = None,
) -> None:
    """Serve until the process is told to end by SIGINT or SIGTERM, or `until` returns."""
    pages = Pages(followings)
    app = Guard(pages.app(), allowed_hosts(host, more_hosts), token, pages.login())
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off",
        timeout_graceful_shutdown=LAST_SECONDS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # Before anything is begun: a signal that comes then ends the server as soon as it runs.
    before = {one: signal.signal(one, server.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
    for following in followings.values():
        following.start()

    def wait() -> None:
        if until is not None:
            until()
            server.should_exit = True

    threading.Thread(target=wait, name="until", daemon=True).start()
    try:
        begun()
        server.run(sockets=list(sockets))
    finally:
        for following in followings.values():
            following.stop()
        for one, handler in before.items():
            signal.signal(one, handler)
