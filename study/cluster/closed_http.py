"""HTTP with one server that may know a secret: past proxies, to no other user, with bounded answers."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from study.cluster.listeners import accepted_by, is_loopback
from study.errors import StudyError
from study.time_limit import TimeLimit, time_limit

# The log of a job has a few hundred bytes a trial.
MOST_BYTES = 16 * 1024**2
PART_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
# How long an accepted connection may lack its owner: a server that is busy has not yet taken it.
ACCEPT_SECONDS = 20.0
TRUST = "--trust-address does it nevertheless."


class ClosedHttp:
    """Requests to one server, none of which goes anywhere else.

    `trust_address` also lets it be a machine to which http goes unencrypted, or another user's port.
    """

    def __init__(self, url: str, trust_address: bool = False) -> None:
        self.url = url
        self._session = _Session()
        # No proxies and no ~/.netrc, whose password would take the token's place.
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        if not trust_address:
            _check_address(url)
            self._session.mount("http://", _OwnPorts())

    def request(self, method: str, path: str, headers: dict[str, str], seconds: float, **more: Any) -> Any:
        """The response, read whole. Raises StudyError where it takes longer, is larger, compressed or in chunks.

        Also raises StudyError where another user of this machine answers, and what requests raises.
        """
        late = f"{self.url} did not answer in {seconds:g} s."
        try:
            with time_limit(seconds, late):
                response = self._session.request(
                    method,
                    f"{self.url}{path}",
                    headers={**headers, "Accept-Encoding": "identity"},
                    allow_redirects=False,
                    stream=True,
                    timeout=(CONNECT_SECONDS, seconds),
                    **more,
                )
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise StudyError(f"{self.url} answers compressed, which was not asked for.")
                # Python takes a chunk of -1 bytes for all that ever comes.
                if "Transfer-Encoding" in response.headers:
                    raise StudyError(f"{self.url} answers in chunks, which Ray's job server does not.")
                body = bytearray()
                while len(body) <= MOST_BYTES and (
                    part := response.raw.read(PART_BYTES, decode_content=False)
                ):
                    body += part
        except TimeLimit:
            raise StudyError(late) from None
        except HTTPError as error:  # of the parts of an answer that is read as it comes
            raise requests.ConnectionError(error) from None
        if len(body) > MOST_BYTES:
            raise StudyError(f"{self.url} answers with more than {MOST_BYTES:,} bytes.")
        # Not what the server names: some of Python's decoders take minutes for a megabyte.
        response.encoding = "utf-8"
        # Where requests keeps what it has read.
        response._content, response._content_consumed = bytes(body), True
        return response


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: also where it follows none, requests would read the whole body of an answer that names one."""


def _check_address(url: str) -> None:
    """Raises StudyError where everybody on the way could read what is sent, or a part could be misread."""
    if set(url) & set("\\@") or not url.isprintable() or " " in url:
        raise StudyError(f"--address {url}: give scheme, host and port alone, as http://localhost:8265.")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise StudyError(
            f"{url}: everybody on the way could read the token, since http does not encrypt it.",
            f"Open a tunnel (docs/cluster.md) and give http://localhost:8265. {TRUST}",
        )


class _OwnConnection(HTTPConnection):
    """Looks who has accepted it, before a byte is sent: any user may listen on a port of this machine."""

    def connect(self) -> None:
        super().connect()
        deadline = time.monotonic() + ACCEPT_SECONDS
        while (owner := accepted_by(self.sock)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if owner is None:
            raise StudyError(f"Who listens on port {self.port} of this machine can't be told.", TRUST)
        if owner:
            raise StudyError(
                f"On port {self.port} another user of this machine listens, {owner}: no token is sent there.",
                f"Open the tunnel to another port. {TRUST}",
            )


class _OwnPool(HTTPConnectionPool):
    ConnectionCls = _OwnConnection


class _OwnPorts(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _OwnPool}
