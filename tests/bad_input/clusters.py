"""Files that `ray up` would not take, or would make an open cluster of."""

from __future__ import annotations

import re
from pathlib import Path

from bad_input import Case

SSH = (Path(__file__).parents[2] / "clusters/ssh.yaml").read_text()
WORKER = "    - 192.168.0.11\n"


def checked(name: str, said: str, content: str | bytes) -> Case:
    return Case(f"cluster-{name}", "cluster-check my.yaml", said, {"my.yaml": content})


def changed(name: str, said: str, old: str, new: str) -> Case:
    """The shipped file, which is right, with what matches `old` replaced."""
    made = re.sub(old, new, SSH, flags=re.MULTILINE)
    assert made != SSH
    return checked(name, said, made)


CASES = [
    Case("cluster-missing", "cluster-check none.yaml", "none.yaml can't be read: No such file"),
    Case("cluster-folder", "cluster-check .", "can't be read: Is a directory"),
    checked("binary", "my.yaml can't be read", b"\xff\xfe\x00"),
    checked("syntax", "my.yaml is not YAML", "a: [1"),
    checked("code", "my.yaml is not YAML", "a: !!python/object/apply:os.abort []"),
    checked("empty", "my.yaml has no fields", ""),
    checked("list", "my.yaml has no fields", "- 1"),
    checked("without-name", "'cluster_name' is a required property", "provider: {type: local}"),
    changed(
        "field", "unknown field 'setup_comands'; did you mean 'setup_commands'?", "^setup_comm", "setup_com"
    ),
    changed("type", "idle_timeout_minutes: 'soon' is not of type", "minutes: 60", "minutes: soon"),
    changed("worker-twice", "192.168.0.11 is listed 2 times", WORKER, WORKER * 2),
    changed("head-as-worker", "192.168.0.10 is the head", WORKER, WORKER + "    - 192.168.0.10\n"),
    # More ways to leave a cluster open: tests/test_cluster_check.py.
    changed("no-token", "`ray start` needs RAY_AUTH_MODE=token", "AUTH_MODE=token", "AUTH_MODE=disabled"),
    changed("tokenless", "not 'tokenless', or everybody", "AUTH_MODE=token", "AUTH_MODE=tokenless"),
    changed("open-dashboard", "use 127.0.0.1", "host=127.0.0.1", "host=0.0.0.0"),
    changed("open-dashboard-apart", "use 127.0.0.1", "host=127.0.0.1", "host 0.0.0.0"),
    changed("metrics", "or everybody may read its metrics", "collection=0", "collection=1"),
    changed("shared-folder", "a folder that other users can't enter", r" --temp-dir=\S+", ""),
    changed("wrapper", "not understood, so it counts as open: `nohup`", "ray start", "nohup ray start"),
]
