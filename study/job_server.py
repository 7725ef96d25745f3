"""Ray's job server: whether it may be used, and its client."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from study import cluster_token
from study.config import StudyError
from study.files import reason
from study.listeners import is_loopback, strangers

ANSWER_SECONDS = 5.0
# What requests is told, so that the token meets nobody on its way: no proxy, and nowhere else.
STRAIGHT: dict[str, Any] = {
    "proxies": dict.fromkeys(("http", "https", "all")),
    "allow_redirects": False,
}


def connect(address: str, insecure: bool = True, trust_address: bool = False) -> Any:
    """Ray's client of the job server at the address, with the token only where it is asked for.

    Raises StudyError where nothing, something else or another version of Ray answers; where the token is
    missing or wrong; unless `insecure`, where no token is needed; and, unless `trust_address`, where others
    could read the token or be the ones who answer.
    """
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise StudyError(f"--address {address}: give the job server's, such as http://localhost:8265")
    try:
        import aiohttp  # noqa: F401
        import ray
        import requests
    except ImportError:
        raise StudyError("Ray's job client is not installed: pip install 'ray[default]'") from None

    def ask(headers: dict[str, str]) -> Any:
        if not trust_address:
            check_address(url)
        try:
            return requests.get(f"{url}/api/version", headers=headers, timeout=ANSWER_SECONDS, **STRAIGHT)
        except (requests.RequestException, ValueError) as error:
            raise StudyError(
                f"No job server answers at {url}: {_cause(error)}",
                "Is the tunnel open (`ray dashboard cluster.yaml`)?",
            ) from None

    # Without a word of ours, Ray's client sends the token unasked.
    headers = {"Authorization": ""}
    answer = ask({})
    if answer.status_code in (401, 403):
        token, where = cluster_token.read()
        headers = {"Authorization": f"Bearer {token}"}
        answer = ask(headers)
        if answer.status_code in (401, 403):
            raise StudyError(f"{url} refuses the token of {where}: it is not this cluster's.")
    elif answer.ok and not insecure:
        raise StudyError(
            f"{url} asks for no token: whoever reaches it may run any code there.",
            "Start the cluster with RAY_AUTH_MODE=token (docs/cluster.md), or add --insecure.",
        )
    try:
        theirs = answer.json()["ray_version"]
    except (ValueError, KeyError, TypeError):
        raise StudyError(
            f"What answers at {url} is not Ray's job server (HTTP {answer.status_code})."
        ) from None
    if theirs != ray.__version__:
        raise StudyError(
            f"The cluster at {url} has Ray {theirs}, this machine {ray.__version__}: install the same."
        )
    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.ERROR)  # how it sends what is no concern of ours
    # Ray prefers this to the address that it is given, and RAY_ADDRESS too.
    os.environ["RAY_API_SERVER_ADDRESS"] = url
    with errors_of(url):
        return _client(url, headers, trust_address)


def check_address(url: str) -> None:
    """Raises StudyError where others could read what is sent there, or be the ones who receive it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise StudyError(f"--address {url}: {error}") from None
    again = "--trust-address does it nevertheless."
    if parts.scheme == "http" and not is_loopback(host):
        raise StudyError(
            f"{url}: everybody on the way could read the token, since http does not encrypt it.",
            f"Open a tunnel (`ray dashboard cluster.yaml`) and give http://localhost:8265. {again}",
        )
    if parts.scheme == "http" and (others := strangers(port)):
        raise StudyError(
            f"{url}: on this port listens another user of this machine, {', '.join(sorted(others))}, "
            "who would get the token.",
            f"Open the tunnel to another port (`ray dashboard --port 8266 cluster.yaml`). {again}",
        )


def _client(url: str, headers: dict[str, str], trust_address: bool) -> Any:
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc]
        """Looks again before each request: a tunnel may have ended, and another user taken its port."""

        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            self.check_address()
            return super()._do_request(method, endpoint, **options, **STRAIGHT)

        def check_address(self) -> None:
            if not trust_address:
                check_address(url)

    return Client(url, headers=headers)


def _cause(error: Exception) -> str:
    """What lies at the bottom of the HTTP client's exceptions, in a line."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)", str(error))
    return next(filter(None, found.groups())) if found else reason(error)


@contextlib.contextmanager
def errors_of(url: str) -> Iterator[None]:
    """Whatever the client raises, as a line."""
    import aiohttp
    import requests
    from ray.exceptions import RayError

    failures = (RuntimeError, OSError, ValueError, RayError, aiohttp.ClientError, requests.RequestException)
    try:
        yield
    except failures as error:
        raise StudyError(f"The job server at {url} failed: {_cause(error)}") from None
