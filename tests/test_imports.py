"""Imports run downwards, and what is heavy stays out of where it does not belong."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import study

ROOT = Path(__file__).parents[1]

# A module may import those of the lines above its own.
LAYERS = [
    {"errors", "terminal"},
    {"images.config"},
    {
        "declare.claims",
        "declare.domains",
        "declare.own_code",
        "store.local_files",
        "cluster.listeners",
        "cluster.secret_names",
        "time_limit",
        "running.allocator",
        "running.stop_signals",
        "running.scratch",
        "cluster.token",
        "cluster.start_command",
        "images.step_graph",
        "images.convolution",
        "seeds",
    },
    {"store.files"},
    {"store.records"},
    {"store.curve_file", "store.checkpoint_file", "images.download", "cluster.closed_http"},
    {"store.trial_store"},
    {"declare.study", "key", "images.data", "provenance"},
    {"declare.loading", "plan", "images.models", "store.tensorboard"},
    {"images.optimization", "running.progress", "images.cost", "declare.listing", "running.own_ray"},
    {"images.training", "running.tune_callback", "running.resources"},
    {"running.outcome"},
    {"running.trainable"},
    {
        "running.prepare",
        "running.ray_session",
        "running.node_check",
        "cluster.payload",
        "cluster.job_server",
        "cluster.cluster_file",
    },
    {"running.probe"},
    {"running.runner", "cluster.jobs"},
    {"api"},
    {"cli.printing", "cli.options"},
    {"cli.printing_results"},
    {"cli.results", "cli.cluster"},
    {"cli.app"},
    {"__main__"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
KNOW_RAY = {
    "running.trainable",
    "running.tune_callback",
    "running.runner",
    "running.ray_session",
    "declare.own_code",
    "running.node_check",
    "running.probe",
    "cluster.job_server",
}
KNOW_TORCH = {
    "images.models",
    "images.optimization",
    "images.training",
    "running.trainable",
    "running.resources",
    "provenance",
    "running.probe",
}
KNOW_RAY |= {"cluster.cluster_file", "running.own_ray"}
KNOW_TORCH |= {"store.checkpoint_file", "images.step_graph", "seeds", "images.convolution"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, inside functions too, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
    return found


STUDY = ROOT / "study"
MODULES = {
    ".".join(path.relative_to(STUDY).with_suffix("").parts): path
    for path in sorted(STUDY.rglob("*.py"))
    if path.stem != "__init__"
}


def rooms(names: set[str]) -> set[str]:
    """Of what a file imports, the modules of study."""
    return {module for module in LEVEL for name in names if f"{name}.".startswith(f"study.{module}.")}


@pytest.mark.parametrize("module", MODULES)
def test_imports_of_study_run_downwards(module: str) -> None:
    assert module in LEVEL, "a new module: give it a layer"
    names = imported(MODULES[module])
    assert {name for name in rooms(names) if LEVEL[name] >= LEVEL[module]} == set()
    heavy = {name.partition(".")[0] for name in names}
    assert "ray" not in heavy or module in KNOW_RAY
    assert not heavy & {"torch", "torchvision"} or module in KNOW_TORCH
    assert "search_spaces" not in heavy


def test_analysis_names_only_the_plain_rooms_of_study() -> None:
    for path in (ROOT / "analysis").glob("*.py"):
        names = imported(path)
        allowed = {
            "errors",
            "terminal",
            "declare.claims",
            "store.trial_store",
            "store.files",
            "store.records",
        }
        assert rooms(names) <= allowed, path
        assert not {name.partition(".")[0] for name in names} & {"ray", "torch", "torchvision"}, path


def test_the_map_of_study_names_every_module() -> None:
    named = set(re.findall(r"[\w.]+", study.__doc__ or ""))
    assert {module for module in MODULES if not module.startswith("_")} <= named


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
