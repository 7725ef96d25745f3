"""Ray's job server: whether it may be used, and its client."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from study import cluster_token
from study.config import StudyError
from study.files import reason

ANSWER_SECONDS = 5.0


def connect(address: str, insecure: bool = True) -> Any:
    """Ray's client of the job server at the address, with the token only where it is asked for.

    Raises StudyError where nothing, something else or another version of Ray answers, where the token is
    missing or wrong, and, unless `insecure`, where no token is needed.
    """
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise StudyError(f"--address {address}: give the job server's, such as http://localhost:8265")
    try:
        import aiohttp  # noqa: F401
        import ray
        import requests
        from ray.job_submission import JobSubmissionClient
    except ImportError:
        raise StudyError("Ray's job client is not installed: pip install 'ray[default]'") from None

    def ask(headers: dict[str, str]) -> Any:
        try:
            return requests.get(
                f"{url}/api/version", headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False
            )
        except (requests.RequestException, ValueError) as error:
            raise StudyError(
                f"No job server answers at {url}: {_cause(error)}",
                "Is the tunnel open (`ray dashboard cluster.yaml`)?",
            ) from None

    headers: dict[str, str] = {}
    answer = ask(headers)
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
        return JobSubmissionClient(url, headers=headers)


def _cause(error: Exception) -> str:
    """What lies at the bottom of the HTTP client's exceptions, in a line."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)", str(error))
    return next(filter(None, found.groups())) if found else reason(error)


@contextlib.contextmanager
def errors_of(url: str) -> Iterator[None]:
    """Whatever the client raises, as a line."""
    import aiohttp
    import requests

    try:
        yield
    except (RuntimeError, OSError, ValueError, aiohttp.ClientError, requests.RequestException) as error:
        raise StudyError(f"The job server at {url} failed: {_cause(error)}") from None
