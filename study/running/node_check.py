"""Whether all nodes can use the storage and have the same versions: asked before the first trial."""

from __future__ import annotations

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from study.errors import StudyError
from study.provenance import versions
from study.running.resources import Node
from study.store.files import is_local
from study.store.trial_store import TrialStore

# A node's first process takes some seconds to start.
SECONDS = 60.0
SAME = ("study", "python", "ray", "torch")
MOST_NAMES = 5


def check(store: TrialStore, nodes: Sequence[Node]) -> None:
    """Write a file here, and have every other node that may run trials read it and write one of its own.

    Raises StudyError naming the nodes that can't, or that have other versions.
    """
    import ray

    here = ray.get_runtime_context().get_node_id()
    others = [node for node in nodes if node.cpus and node.id != here]
    if not others:
        return
    new = not store.root.exists()
    marker = f".reach-test-{uuid.uuid4().hex}"
    store.files.write(marker, b"test")
    try:
        problems = _asked(others, str(store.root), marker)
    finally:
        store.files.remove(marker)
        if new and is_local(store.root):
            with contextlib.suppress(OSError):  # not empty: another run has begun there
                store.root.rmdir()
    if problems:
        raise StudyError(*problems)


def _asked(nodes: Sequence[Node], storage: str, marker: str) -> list[str]:
    """What is wrong, a line for all the nodes with which it is the same."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    answers = [
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            storage, marker
        )
        for node in nodes
    ]
    ray.wait(answers, num_returns=len(answers), timeout=SECONDS)
    said = {node: _problems(answer) for node, answer in zip(nodes, answers, strict=True)}
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    having = defaultdict(list)
    for node, problems in said.items():
        for problem in problems if node.id in alive else []:
            having[problem].append(node.name)
    return [f"{_listed(names)}: {problem}" for problem, names in having.items()]


def _problems(answer: Any) -> list[str]:
    """What a node's answer says, or its absence."""
    import ray

    try:
        unusable, theirs = ray.get(answer, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return [f"no answer in {SECONDS:g} s"]
    except ray.exceptions.RayError as error:
        return [f"no trial can run there: {str(error).strip().splitlines()[-1]}"]
    problems = []
    if unusable:
        problems += [f"{unusable}. Use one that all nodes have: STUDY_STORAGE=s3://..., or a shared folder."]
    ours = _versions()
    if differing := [
        f"{name} {theirs[name]} (here {ours[name]})" for name in SAME if theirs[name] != ours[name]
    ]:
        problems += [
            f"has {', '.join(differing)}. Install the same on all nodes, with clusters/requirements.txt."
        ]
    return problems


def _look(storage: str, marker: str) -> tuple[str | None, dict[str, str]]:
    """Runs on a node: why the storage can't be used there, or None; and the node's versions."""
    unusable = None
    try:
        store = TrialStore(storage)
        if store.files.read(marker) is None:
            unusable = f"storage {storage} is not there, or is another one"
        else:
            store.check_writable()
    except StudyError as error:
        unusable = error.mistakes[0].rstrip(".")
    return unusable, _versions()


def _versions() -> dict[str, str]:
    """Without the local part: builds of one release for a processor and for a GPU may stand side by side."""
    found = versions()
    return {name: found[name].partition("+")[0] for name in SAME}


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + f" and {more} more" * (more > 0)
