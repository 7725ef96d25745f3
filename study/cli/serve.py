"""`study serve`: a page of a storage's studies."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from study.cli.options import Port, Storage
from study.cli.stored import Names, names_of
from study.terminal import say

commands = typer.Typer()


@commands.command()
def serve(
    studies: Names = None,
    storage: Storage = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="STORAGE", help="Another storage, to compare with; repeatable."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Port = 8080,
    ask_token: Annotated[
        bool, typer.Option("--ask-token", help="Ask for the token here too, on a machine that others use.")
    ] = False,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", hidden=True)] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which browsers reach it, behind a proxy; repeatable."),
    ] = None,
) -> None:
    """Serve a page that shows the studies of a storage, and follows them while they run anywhere.

    It reads the storage and never writes. Needs `pip install 'study[serve]'`.

    Examples:

    `study serve`

    `study serve --storage s3://bucket/results --host 0.0.0.0`
    """
    from study.errors import StudyError
    from study.store.trial_store import open_store

    try:
        from study.serve.following import Following
        from study.serve.guard import is_loopback
        from study.serve.server import listening
        from study.serve.server import serve as serve_pages
    except ModuleNotFoundError as lacking:
        raise StudyError(f"study serve needs {lacking.name}: pip install 'study[serve]'") from None
    store = open_store(storage)
    names = names_of(store, studies)[0] if studies else []
    followings = {str(store.root): Following(store, names)}
    for one in also or ():
        other = open_store(one)
        followings[str(other.root)] = Following(other)
    token = None
    if ask_token or not is_loopback(host):
        token, where = _token()
        say(f"It asks for the token {where}.", err=True)
    socket = listening(host, port)
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
    address = f"http://{shown}:{socket.getsockname()[1]}/"
    serve_pages(
        followings, [socket], host, token, allow_host or (),
        begun=lambda: say(f"{address} shows {store.root}"),
        until=sys.stdin.read if with_stdin else None,
    )  # fmt: skip


def _token() -> tuple[str, str]:
    """The clusters' token, else one for this time; and what is said of it."""
    from study.cluster import token
    from study.errors import StudyError

    try:
        found, where = token.read()
    except StudyError:
        if token.file().exists():
            raise
        found = secrets.token_hex(16)
        return found, found
    return found, f"in {where}"
