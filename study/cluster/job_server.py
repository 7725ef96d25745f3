"""Ray's job server: whether it may be used, and its client."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from study.cluster import token as token_file
from study.errors import StudyError
from study.store.files import reason

if TYPE_CHECKING:
    from study.cluster.closed_http import ClosedHttp

ANSWER_SECONDS = 10.0
# Of a request, such as the upload of a job's files.
REQUEST_SECONDS = 300.0


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

        from study.cluster.closed_http import ClosedHttp
    except ImportError:
        raise StudyError("Ray's job client is not installed: pip install 'ray[default]'") from None
    http = ClosedHttp(url, trust_address)

    def ask(headers: dict[str, str]) -> Any:
        try:
            return http.request("GET", "/api/version", headers, ANSWER_SECONDS)
        except (requests.RequestException, ValueError, OSError) as error:
            raise StudyError(
                f"No job server answers at {url}: {_cause(error)}",
                "Is the tunnel open (`ray dashboard cluster.yaml`)?",
            ) from None

    # Without a word of ours, Ray's client sends the token unasked.
    headers = {"Authorization": ""}
    answer = ask({})
    if answer.status_code in (401, 403):
        token, where = token_file.read()
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
        theirs = str(answer.json()["ray_version"])[:40]
    except (ValueError, KeyError, TypeError, RecursionError):
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
        return _client(http, headers)


def _client(http: ClosedHttp, headers: dict[str, str]) -> Any:
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc]
        """Ray's, with requests of ours."""

        def _do_request(self, method: str, endpoint: str, *, json_data: Any = None, **options: Any) -> Any:
            response = http.request(
                method, endpoint, self._headers, REQUEST_SECONDS, json=json_data, **options
            )
            if response.status_code in (401, 403):
                raise StudyError(f"The job server at {http.url} failed: it refuses the token by now.")
            return response

    return Client(http.url, headers=headers)


def _cause(error: Exception) -> str:
    """What lies at the bottom of the HTTP client's exceptions, in a line."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)", str(error))
    return next(filter(None, found.groups())) if found else reason(error)


@contextlib.contextmanager
def errors_of(url: str) -> Iterator[None]:
    """Whatever the client raises, as a line."""
    import requests
    from ray.exceptions import RayError

    # What Ray makes of answers that are no job server's is of many kinds.
    shapes = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
    failures = (RuntimeError, OSError, RayError, requests.RequestException, *shapes)
    try:
        yield
    except failures as error:
        raise StudyError(f"The job server at {url} failed: {_cause(error)}") from None
