"""Imports run downwards, and what is heavy stays out of where it does not belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module may import those of the lines above its own.
LAYERS = [
    {"config", "terminal"},
    {
        "claims",
        "domains",
        "plugins",
        "local_files",
        "listeners",
        "secret_names",
        "limits",
        "memory",
        "stops",
        "workspace",
        "cluster_token",
        "start_command",
        "step_graph",
        "convolution",
        "random_streams",
    },
    {"files"},
    {"records"},
    {"curve_file", "checkpoint_file", "download", "closed_http"},
    {"store"},
    {"spec", "key", "data", "provenance"},
    {"loading", "plan", "models", "tensorboard"},
    {"recipe", "progress", "cost", "listing", "own_ray"},
    {"training", "follower", "resources"},
    {"outcome"},
    {"trainable"},
    {"prepare", "ray_session", "reach", "payload", "job_server", "cluster_file"},
    {"probe"},
    {"runner", "jobs"},
    {"api"},
    {"show", "options"},
    {"show_results"},
    {"cli_results", "cli_cluster"},
    {"cli"},
    {"__main__"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
KNOW_RAY = {"trainable", "follower", "runner", "ray_session", "plugins", "reach", "probe", "job_server"}
KNOW_TORCH = {"models", "recipe", "training", "trainable", "resources", "provenance", "probe"}
KNOW_RAY |= {"cluster_file", "own_ray"}
KNOW_TORCH |= {"checkpoint_file", "step_graph", "random_streams", "convolution"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, inside functions too, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
    return found


MODULES = sorted(path for path in (ROOT / "study").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_of_study_run_downwards(path: Path) -> None:
    assert path.stem in LEVEL, "a new module: give it a layer"
    modules = {name.split(".")[1] for name in imported(path) if name.startswith("study.")}
    upwards = {name for name in modules & LEVEL.keys() if LEVEL[name] >= LEVEL[path.stem]}
    assert upwards == set()
    heavy = {name.partition(".")[0] for name in imported(path)}
    assert "ray" not in heavy or path.stem in KNOW_RAY
    assert not heavy & {"torch", "torchvision"} or path.stem in KNOW_TORCH
    assert "search_spaces" not in heavy


def test_analysis_names_only_the_plain_rooms_of_study() -> None:
    for path in (ROOT / "analysis").glob("*.py"):
        names = imported(path)
        rooms = {name.split(".")[1] for name in names if name.startswith("study.")}
        assert rooms <= {"store", "files", "records", "config", "claims", "terminal"}, path
        assert not {name.partition(".")[0] for name in names} & {"ray", "torch", "torchvision"}, path


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import study; study.Study; study.increasing", {"torch", "ray", "pandas", "matplotlib"}),
        ("import study.__main__", {"torch", "ray", "pandas", "matplotlib"}),
        ("import analysis, analysis.figures, analysis.tables", {"torch", "ray"}),
    ],
)
def test_light_imports_stay_light(statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print(*{absent!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
