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

# A room, a package or a module by itself, may import those of the lines above its own, and nothing below.
ROOMS = [
    {"errors", "terminal", "provenance", "time_limit", "seeds", "plain", "ranking"},
    {"meaning", "paths", "process"},
    {"generator_state"},
    {"own_code", "metric", "state"},
    {"lineage"},
    {"training"},
    {"functions", "commands", "declare"},
    {"store"},
    {"images"},
    {"key", "recording", "analysis"},
    {"plan"},
    {"cluster", "until_decided", "search"},
    {"rounds"},
    {"running"},
    {"request", "status", "check", "check_process", "new"},
    {"api", "serve", "trained_trial"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
# The image training is one among others. Only what reads the records of study 0.1, which had no other, knows it.
KNOWS_IMAGES = {"store.format1"}
KNOW_RAY = {
    "cluster.cluster_file", "cluster.job_server", "own_code", "running.early_stopping", "running.fork_server",
    "running.node_check", "running.own_ray", "running.probe", "running.ray_session", "running.stopwatch",
    "running.trainable", "running.tune_callback", "running.tune_searcher", "running.tuner",
}  # fmt: skip
KNOW_TORCH = {
    "images.convolution", "images.data", "images.models", "images.optimization", "images.step_graph", "images.training",
    "provenance", "running.machine", "running.probe", "running.resources", "running.trial_run", "seeds",
    "store.checkpoint_file", "store.format1_state",
}  # fmt: skip
# Words of the image training, which no file of the engine or of analysis may have.
OF_IMAGES = re.compile(
    r"accurac|pixel|\bepochs?\b|mnist|torchvision|\bimages?\b|(?<!data)classes\b|class_counts|one_class|top.?[15]\b|recipe",
    re.IGNORECASE,
)


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
    if path.stem not in ("__init__", "__main__") and "templates" not in path.parts
}


def modules_in(names: set[str]) -> set[str]:
    """Of what a file imports, the modules of study."""
    return {module for module in MODULES for name in names if f"{name}.".startswith(f"study.{module}.")}


@pytest.mark.parametrize("module", MODULES)
def test_rooms_import_in_one_direction(module: str) -> None:
    room = module.partition(".")[0]
    assert room in LEVEL, "a new room: give it a line"
    names = imported(MODULES[module])
    theirs = {name.partition(".")[0] for name in modules_in(names)} - {room}
    if module in KNOWS_IMAGES or room == "images":
        theirs -= {"images"}
    else:
        assert "images" not in theirs
    assert {name for name in theirs if LEVEL[name] >= LEVEL[room]} == set()
    heavy = {name.partition(".")[0] for name in names}
    assert "ray" not in heavy or module in KNOW_RAY
    assert not heavy & {"torch", "torchvision"} or module in KNOW_TORCH
    assert "search_spaces" not in heavy


def test_no_two_modules_import_each_other() -> None:
    needs = {module: modules_in(at_the_top(path)) - {module} for module, path in MODULES.items()}
    left = dict(needs)
    while free := [module for module, wanted in left.items() if not wanted & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}, "these import each other"


def test_the_engine_names_nothing_of_the_image_training() -> None:
    engine = [path for module, path in MODULES.items() if not module.startswith("images.")]
    for path in [*engine, *(ROOT / "analysis").rglob("*.py"), *(ROOT / "analysis/templates").iterdir()]:
        if path in (MODULES["store.format1"], MODULES["store.format1_state"]):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            # The short forms of --set, and the name of what a study trains that says nothing else.
            told = re.sub(r"\bepochs\b", "", line, flags=re.IGNORECASE) if path.parent.name == "cli" else line
            for allowed in ("study.images.declaration:Images", "image/svg+xml", "image/png"):
                told = told.replace(allowed, "")
            found = OF_IMAGES.search(told)
            assert not found, f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def at_the_top(path: Path) -> set[str]:
    """What a file imports when it is imported itself: not inside functions, not for types alone."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
    return found


def test_analysis_names_only_the_plain_rooms_of_study() -> None:
    for path in (ROOT / "analysis").glob("*.py"):
        names = imported(path)
        theirs = {module for module in modules_in(names) if not module.startswith("store.")}
        assert theirs <= {
            "errors",
            "paths",
            "terminal",
            "metric",
            "lineage",
            "ranking",
            "declare.claims",
            "declare.dimension",
        }, path
        assert not {name.partition(".")[0] for name in names} & {"ray", "torch", "torchvision"}, path


def test_the_map_of_study_names_every_module_and_no_other() -> None:
    named = set(re.findall(r"^    ([\w.]+)  ", study.__doc__ or "", re.MULTILINE))
    assert named == MODULES.keys()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import study; study.Study; study.increasing", {"torch", "ray", "pandas", "matplotlib"}),
        ("import study.__main__", {"torch", "ray", "pandas", "matplotlib"}),
        ("import analysis, analysis.figures, analysis.tables", {"torch", "ray"}),
        ("import analysis.notebook", {"torch", "ray", "matplotlib"}),
        ("import analysis; analysis.load", {"torch", "ray", "matplotlib", "jinja2"}),
        (
            "from pathlib import Path; from study.images import data; from study.images.declaration import Images;"
            "from study.running.trial_run import TrialRun; digits = data.load('digits', Path());"
            "TrialRun(Images, Images.Config(dataset='digits', width=2), digits, 0).run(2)",
            {"torch._dynamo", "sklearn", "scipy.stats"},
        ),
        ("from analysis.statistics import p_value; assert p_value([1, 2, 4]) < 1", {"scipy.stats"}),
    ],
)
def test_light_imports_stay_light(statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print(*{absent!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
