"""How a run starts a Ray of its own: closed to other users of the machine, without what it never uses.

Everything listens on the loopback address alone and asks for a token that this run made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.cluster import token

# What Ray starts with a cluster of its own and a run has no use for: the dashboard's server, which it starts
# without a dashboard too and waits for; the autoscaler, which takes a second to be stopped; a reader of the
# workers' logs.
UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")


@contextlib.contextmanager
def token_in(folder: Path) -> Iterator[None]:
    """Ray in this process and those that it starts uses a new token, which lies in `folder`, meanwhile.

    Whatever the environment says of tokens, also that none is asked for, holds again afterwards.
    """
    path = token.write(folder / "token")
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path), "RAY_AUTH_TOKEN": None}
    before = {name: os.environ.get(name) for name in told}
    _set(told)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    """In the environment, where None is none."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    environment_changed()


def environment_changed() -> None:
    """Ray forgets its own copies of what stands in the environment."""
    import ray

    raylet: Any = ray._raylet
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def started_closed() -> Iterator[dict[str, Any]]:
    """Gives arguments of ray.init for a Ray of one's own, to be called inside.

    Raises RuntimeError where this version of Ray can't be closed.
    """
    from ray._private import node, ray_constants

    if not hasattr(ray_constants, "ENABLE_RAY_CLUSTER"):  # a later Ray's, perhaps: closed, or not at all
        raise RuntimeError("this version of Ray can't be kept to the loopback address")
    with (
        replaced(node.Node, **dict.fromkeys(UNUSED, _nothing)),
        # Named for Windows and macOS; on Linux too it makes 127.0.0.1 the node's address, and then Ray's
        # servers listen there alone.
        replaced(ray_constants, ENABLE_RAY_CLUSTER=False),
    ):
        # Ray serves its metrics to everybody who asks, without the token.
        yield {"include_dashboard": False, "_system_config": {"enable_metrics_collection": False}}


@contextlib.contextmanager
def importing_no_trackers() -> Iterator[None]:
    """Ray Tune does not look whether its callbacks are those of W&B, MLflow or Comet meanwhile.

    It would import what of these is installed, a second each, for statistics of use, which are turned off.
    """
    from ray.air._internal import usage

    with replaced(usage, tag_callbacks=_nothing):
        yield


@contextlib.contextmanager
def replaced(owner: Any, **by: Any) -> Iterator[None]:
    """These attributes of Ray's are others meanwhile, where this version has them."""
    kept = {name: getattr(owner, name) for name in by if hasattr(owner, name)}
    for name in kept:
        setattr(owner, name, by[name])
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(owner, name, value)


def _nothing(*_: Any, **__: Any) -> None: ...
