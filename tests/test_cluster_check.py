"""`study cluster-check`: which start commands leave a cluster open, however they are spelled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from other_user import UID, needs_root

from study.cluster import cluster_file
from study.errors import StudyError

pytest.importorskip("jsonschema", reason="ray[default] is not installed")

SSH = yaml.safe_load((Path(__file__).parents[1] / "clusters/ssh.yaml").read_text())
FOLDER = "RAY_TMPDIR=$(mktemp -d /tmp/study.XXXXXXXX) &&"
METRICS = "RAY_enable_metrics_collection=0 AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1"
EXPORT = f"export RAY_TMPDIR RAY_AUTH_MODE=token {METRICS} &&"
START = "ray start --head --temp-dir=$RAY_TMPDIR/ray --include-dashboard=true"
GOOD = f"{FOLDER} {EXPORT} {START}"


def said(folder: Path, *commands: str, **fields: object) -> str:
    """What is wrong with the shipped file with these start commands of the head, or nothing."""
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump({**SSH, "head_start_ray_commands": list(commands), **fields}))
    try:
        cluster_file.check(path)
    except StudyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "command",
    [
        GOOD,
        GOOD.replace(" && ", " &&\n"),
        GOOD.replace(" ", " \\\n "),
        f"ray stop; sleep 1; {GOOD}; echo started",
        f"export RAY_AUTH_MODE=disabled; {GOOD}",
        GOOD.replace("RAY_AUTH_MODE=token", "'RAY_AUTH_MODE'=\"to\"ken"),
        GOOD.replace("RAY_AUTH_MODE=token", "RAY_AUTH_MODE=Token"),
        f"{FOLDER} export RAY_TMPDIR {METRICS} && RAY_AUTH_MODE=token {START}",
        f"RAY_AUTH_MODE=token; export RAY_AUTH_MODE; {GOOD.replace('RAY_AUTH_MODE=token', '')}",
        f"export MODE=token; {GOOD.replace('=token', '=$MODE')}",
        GOOD.replace("$RAY_TMPDIR", "${RAY_TMPDIR}"),
        GOOD.replace("--temp-dir=", "--temp-dir "),
        GOOD.replace("mktemp -d /tmp/study.XXXXXXXX", "mktemp --directory"),
        GOOD.replace("collection=0", "collection=false"),
        GOOD + " --dashboard-host=127.0.0.1",
        GOOD + " --dashboard-host ::1",
        GOOD + " --dashboard-host=0.0.0.0 --dashboard-host=localhost",
        GOOD + " --node-ip-address=192.168.0.10 --ray-client-server-port 10001 --metrics-export-port=9090",
        GOOD.replace("ray start", "~/study-env/bin/ray start"),
        GOOD + """ --labels='{"a": "b"}'""",
    ],
)
def test_a_closed_start_is_taken_however_it_is_spelled(tmp_path: Path, command: str) -> None:
    assert said(tmp_path, "ray stop", command) == ""


TOKEN, MODE = "needs RAY_AUTH_MODE=token", "RAY_AUTH_MODE=token"
METRIC, HOST = "may read its metrics", "shows the job server to the network"
PRIVATE_FOLDER, UNCLEAR = "a folder that other users can't enter", "not understood, so it counts as open"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        # The token.
        (GOOD.replace("=token", "=tokenless"), TOKEN),
        (GOOD.replace("=token", "="), TOKEN),
        (GOOD.replace("=token", "=' token'"), TOKEN),
        (GOOD.replace(MODE, ""), TOKEN),
        (GOOD.replace(MODE, "RAY_AUTH_MODES=token"), TOKEN),
        (GOOD.replace(MODE, "NOTE=RAY_AUTH_MODE=token"), TOKEN),
        (GOOD.replace(MODE, f"{MODE} RAY_AUTH_MODE=disabled"), TOKEN),
        (GOOD.replace("ray start", "RAY_AUTH_MODE=disabled ray start"), TOKEN),
        (GOOD.replace("ray start", "export RAY_AUTH_MODE=disabled && ray start"), TOKEN),
        (f"{FOLDER} {EXPORT} RAY_AUTH_MODE=disabled && {START}", TOKEN),
        (f"{FOLDER} export RAY_TMPDIR {METRICS} && RAY_AUTH_MODE=token && {START}", TOKEN),
        (f"{GOOD.replace(MODE, '')} && export {MODE}", TOKEN),
        (f"{GOOD.replace(MODE, '')} # {MODE}", UNCLEAR),
        (f"{GOOD.replace(MODE, '')} --labels={MODE}", TOKEN),
        (f"false && export {MODE}; {GOOD.replace(MODE, 'RAY_AUTH_MODE')}", TOKEN),
        (f"true || export {MODE}; {GOOD.replace(MODE, 'RAY_AUTH_MODE')}", TOKEN),
        (GOOD.replace("=token", "=$MODE"), TOKEN),
        (GOOD.replace("=token", "=$(cat ~/mode)"), TOKEN),
        (GOOD.replace("=token", "=`cat ~/mode`"), UNCLEAR),
        (GOOD.replace("=token", "=${MODE:-token}"), TOKEN),
        (GOOD.replace("=token", "=$'token'"), TOKEN),
        (GOOD.replace(MODE, f"-n {MODE}"), UNCLEAR),
        (GOOD.replace("ray start", "unset RAY_AUTH_MODE && ray start"), UNCLEAR),
        (f"{GOOD}; {START}", UNCLEAR),
        (f"{GOOD} && RAY_AUTH_MODE=0 {START}", TOKEN),
        # Metrics.
        (GOOD.replace("collection=0", "collection=1"), METRIC),
        (GOOD.replace("collection=0", "collection=true"), METRIC),
        (GOOD.replace("RAY_enable_metrics_collection=0", ""), METRIC),
        (GOOD.replace("RAY_enable_metrics", "RAY_ENABLE_METRICS"), METRIC),
        (GOOD.replace("AUTOSCALER_METRIC_PORT=-1", ""), METRIC),
        (GOOD.replace("AUTOSCALER_METRIC_PORT=-1", "AUTOSCALER_METRIC_PORT=44217"), METRIC),
        (GOOD.replace("DASHBOARD_METRIC_PORT=-1", "DASHBOARD_METRIC_PORT=0"), METRIC),
        (GOOD.replace("DASHBOARD_METRIC_PORT=-1", "DASHBOARD_METRIC_PORT=off"), METRIC),
        # What listens, and options that open something else.
        (GOOD.replace(" --include-dashboard=true", ""), "goes to whoever holds its port"),
        (GOOD + " --dashboard-host=0.0.0.0", HOST),
        (GOOD + " --dashboard-host 0.0.0.0", HOST),
        (GOOD + " --dashboard-host='0.0.0.0'", HOST),
        (GOOD + " --dashboard-host=", HOST),
        (GOOD + " --dashboard-host=::", HOST),
        (GOOD + " --dashboard-host=192.168.0.10", HOST),
        (GOOD + " --dashboard-host=$RAY_HEAD_IP", HOST),
        (GOOD + " --dashboard-host=127.0.0.1 --dashboard-host=0.0.0.0", HOST),
        (GOOD + " --dashboard-host=$HOST", UNCLEAR),
        (GOOD + " --dashboard-host={0.0.0.0,127.0.0.1}", UNCLEAR),
        (GOOD + " --ray-debugger-external", "--ray-debugger-external lets everybody run code"),
        (GOOD + """ --system-config='{"enable_metrics_collection": true}'""", "--system-config"),
        (GOOD + " --proxy-server-url=http://192.168.0.9", "--proxy-server-url sends the token there"),
        (GOOD + " --object-spilling-directory=/data", "other users can write to"),
        (GOOD.replace(MODE, f"{MODE} RAY_AUTH_TOKEN=0123"), "RAY_AUTH_TOKEN shows the token"),
        (GOOD.replace(MODE, f"{MODE} RAY_DEBUG_POST_MORTEM=1"), "RAY_DEBUG_POST_MORTEM lets everybody"),
        (GOOD + " --dashbord-host=127.0.0.1", "No such option"),
        (GOOD + " 0.0.0.0", UNCLEAR),
        # The folder.
        (GOOD.replace(" --temp-dir=$RAY_TMPDIR/ray", ""), PRIVATE_FOLDER),
        (GOOD.replace("$RAY_TMPDIR/ray", "$RAY_TMPDIR"), PRIVATE_FOLDER),
        (GOOD.replace("$RAY_TMPDIR/ray", "$RAY_TMPDIR/../ray"), PRIVATE_FOLDER),
        (GOOD.replace("$RAY_TMPDIR/ray", "/tmp/ray"), PRIVATE_FOLDER),
        (GOOD.replace("$(mktemp -d /tmp/study.XXXXXXXX)", "/tmp/study"), PRIVATE_FOLDER),
        (GOOD.replace("mktemp -d", "mktemp -ud"), UNCLEAR),
        (GOOD.replace("mktemp -d /tmp/study.XXXXXXXX", "cat ~/folder"), UNCLEAR),
        (GOOD.replace("export RAY_TMPDIR", "export"), PRIVATE_FOLDER),
        (GOOD.replace("XX) &&", "XX);"), UNCLEAR),
        (
            GOOD.replace(FOLDER, "").replace("RAY_TMPDIR ", "RAY_TMPDIR=$(mktemp -d) "),
            "write `RAY_TMPDIR=$(mktemp ...) && export",
        ),
        (GOOD.replace("ray start", "chmod 777 $RAY_TMPDIR && ray start"), UNCLEAR),
        # Another program around it.
        *(
            (GOOD.replace("ray start", wrapper), UNCLEAR)
            for wrapper in (
                "env ray start",
                "env RAY_AUTH_MODE=disabled ray start",
                "sudo ray start",
                "nohup ray start",
                "exec ray start",
                "command ray start",
                "time ray start",
                "! ray start",
                "eval ray start",
                "xargs ray start",
                "numactl --all ray start",
                "python -m ray.scripts.scripts start",
                "./start.sh; ray start",
                ". ./settings && ray start",
                "source ~/settings && ray start",
                "$RAY start",
                "ray --logging-level=debug start",
                "ray start $OPTIONS",
                "ray start $(cat ~/options)",
                "{ ray start",
                "( ray start",
            )
        ),
        (f'bash -c "{START}"', UNCLEAR),
        (f"bash -c '{GOOD}'", UNCLEAR),
        (f"eval '{START}'", UNCLEAR),
        (f"({GOOD})", UNCLEAR),
        (f"{{ {GOOD}; }}", UNCLEAR),
        (f"if true; then {GOOD}; fi", UNCLEAR),
        (f"ray() {{ echo; }}; {GOOD}", UNCLEAR),
        (f"{GOOD} | tee log", UNCLEAR),
        (f"{GOOD} > log", UNCLEAR),
        (f"{GOOD} &", UNCLEAR),
        (f"{GOOD} || true", UNCLEAR),
        (f"echo $({START}); {GOOD}", UNCLEAR),
        (f"echo 'export RAY_AUTH_MODE=0' >> ~/.bashrc; {GOOD}", UNCLEAR),
        (GOOD + " --labels ';' --dashboard-host=0.0.0.0", UNCLEAR),
        (GOOD + r" --labels \; --dashboard-host=0.0.0.0", UNCLEAR),
        (GOOD + " --labels 'a", UNCLEAR),
        ("ray stop", "no `ray start`"),
        ("echo ray start", UNCLEAR),
    ],
)
def test_an_open_start_is_found_however_it_is_spelled(tmp_path: Path, command: str, why: str) -> None:
    assert why in said(tmp_path, "ray stop", command)


def test_each_start_and_each_field_is_looked_at(tmp_path: Path) -> None:
    both = said(tmp_path, GOOD, START)
    assert TOKEN in said(tmp_path, GOOD, "ray start --address=1.2.3.4:6379")
    assert UNCLEAR in both, "RAY_TMPDIR is that of another shell"
    worker = said(tmp_path, GOOD, worker_start_ray_commands=["ray start --address=$RAY_HEAD_IP:6379"])
    assert worker.count("worker_start_ray_commands:") == 3
    assert "METRIC_PORT" not in worker, "these servers run on the head alone"
    for field in ("setup_commands", "initialization_commands", "head_setup_commands"):
        assert f"{field}: `ray start` belongs" in said(tmp_path, GOOD, **{field: ["sudo ray start"]})
    kinds = {"head": {"node_config": {}, "resources": {}, "worker_setup_commands": ["ray start"]}}
    assert "available_node_types.head.worker_setup_commands" in said(
        tmp_path, GOOD, available_node_types=kinds, head_node_type="head"
    )


@needs_root
def test_folders_that_another_user_has_made_here_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", f"study-test-{os.getpid()}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert said(tmp_path, GOOD) == ""
    (tmp_path / "ray").mkdir()
    assert said(tmp_path, GOOD) == ""
    os.chown(tmp_path / "ray", UID, UID)
    assert "where your machines are" in said(tmp_path, GOOD)
