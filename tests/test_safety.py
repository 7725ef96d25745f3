"""A storage is data: nothing in it is executed, nothing outside it is touched, no secret gets into it."""

from __future__ import annotations

import html
import io
import json
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import HANG, STUDY_FILE, Study
from markdown_it import MarkdownIt
from storages import made_storage

from analysis.tables import csv, in_markdown
from study.declare.listing import listed
from study.store.trial_store import TrialStore

ROOT = Path(__file__).parents[1]
HOSTILE = "<script>alert(1)</script> ![](x) \\input{/etc/passwd} $\\nonsense$ $x_{ ../../up"


class Payload:
    """Makes a file named EXECUTED where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch EXECUTED",)


def test_a_hostile_checkpoint_executes_nothing_and_the_trial_starts_anew(
    study: Study, tiny_study: Path
) -> None:
    plan = json.loads(study("plan", "tiny_width.py", "--seeds", "1", "--json").stdout)
    store = TrialStore(study.folder / "results")
    for trial in plan["pending"]:
        store.save_checkpoint(trial["key"], pickle.dumps(Payload()))
    done = study("tune", "tiny_width.py", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("starts anew: not a state of this training") == 2
    assert not list(Path("/tmp").glob("study-run-*/**/EXECUTED"))
    assert not list(study.folder.rglob("EXECUTED"))


def test_hostile_results_execute_nothing_and_are_escaped(study: Study) -> None:
    folder = study.folder / "results"
    made_storage(
        folder,
        {HOSTILE: [0.9, 0.91], "b": [0.8, 0.82]},
        title=HOSTILE,
        question=HOSTILE,
        source=HOSTILE,
        varies=HOSTILE,
    )
    (folder / "trials/x").mkdir()
    for name in ("result.json", "curve.parquet", "checkpoint.pt"):
        (folder / "trials/x" / name).write_bytes(pickle.dumps(Payload()))
    (folder / "studies/pickled.json").write_bytes(pickle.dumps(Payload()))
    for words in (("status",), ("verify",), ("report", "--out", "report")):
        done = study(*words)
        assert done.returncode == 0, done.stderr
        assert "skipped: " in done.stderr
    page = (study.folder / "report/index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    tex = (study.folder / "report/tables/width.tex").read_text()
    assert "\\input" not in tex
    assert not list(study.folder.rglob("EXECUTED"))


def test_keys_that_lead_out_of_the_storage_are_not_followed(study: Study) -> None:
    folder = study.folder / "results"
    made_storage(study.folder / "other", {"a": [0.9]})
    outside = "../../other/trials/a-0"
    arms = [{"label": "a", "overrides": {}, "candidates": [{"overrides": {}, "keys": [outside]}]}]
    made_storage(folder, {"a": [0.9]}, arms=arms)
    status = json.loads(study("status", "--json").stdout)
    assert (status[0]["finished"], status[0]["missing"]) == (0, 1)


def test_no_secret_of_the_environment_gets_into_the_storage(study: Study, tiny_study: Path) -> None:
    secret = "hunter2-hunter2"
    done = study("tune", "tiny_width.py", "--seeds", "1", WANDB_API_KEY=secret, AWS_SECRET_ACCESS_KEY=secret)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    files = [path for path in (study.folder / "results").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if secret.encode() in path.read_bytes()]


HOSTILE_MODULE = "import pathlib; pathlib.Path(__file__).with_name('EXECUTED').touch()"


def test_modules_in_the_current_folder_replace_nobody_s_in_driver_or_workers(study: Study) -> None:
    """But a plug-in there, and what it imports when it is called, is found by both."""
    for name in ("numpy", "filelock", "yaml", "pyarrow"):
        (study.folder / f"{name}.py").write_text(HOSTILE_MODULE)
    (study.folder / "sizes.py").write_text("HIDDEN = 8")
    (study.folder / "nets.py").write_text(
        "def small(config):\n"
        "    import importlib\n"
        "    from torch import nn\n"
        "    hidden = importlib.import_module('sizes').HIDDEN\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.Linear(hidden, 10))\n"
    )
    (study.folder / "own.py").write_text(STUDY_FILE.replace('"digits",', '"digits", "model": "nets:small",'))
    done = subprocess.run(
        [Path(sys.prefix, "bin/study"), "tune", "own.py", "--seeds", "1"],
        cwd=study.folder,
        env=study.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (study.folder / "EXECUTED").exists()


def test_listing_runs_no_file_of_the_current_folder(study: Study) -> None:
    folder = study.folder / "search_spaces"
    folder.mkdir()
    (folder / "mine.py").write_text(f"'''Figure 3: is it listed?'''\n{HOSTILE_MODULE}\nSTUDY = 1")
    (folder / "helper.py").write_text(HOSTILE_MODULE)
    (folder / "broken.py").write_text("STUDY = (")
    os.mkfifo(folder / "pipe.py")
    done = study("list", "--json")
    assert done.returncode == 0, done.stderr
    listed = {row["name"]: row for row in json.loads(done.stdout)}
    assert listed["mine"]["question"] == "Is it listed?"
    assert listed["mine"]["arms"] is None
    assert listed["momentum"]["arms"] == ["0.0", "0.5", "0.9", "0.99"]
    assert "helper.py has no STUDY" in done.stderr
    assert "broken.py: not valid Python" in done.stderr
    assert "mine" in study("list").stdout
    assert not (folder / "EXECUTED").exists()


def test_a_repository_s_own_commands_are_not_run(tmp_path: Path) -> None:
    """A folder that one was handed may bring a .git with hooks, a monitor, filters, submodules."""
    from study.provenance import git_commit

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-m", "first")
    clean = git_commit(tmp_path)
    assert clean is not None
    assert "+" not in clean
    (tmp_path / "file").write_text("2")
    run = f"touch {tmp_path}/EXECUTED; true"
    git("config", "core.fsmonitor", run)
    hook = tmp_path / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\n{run}")
    hook.chmod(0o755)
    assert git_commit(tmp_path) == f"{clean}+changes"
    (tmp_path / ".gitattributes").write_text("* filter=x")
    git("config", "filter.x.clean", run)
    os.utime(tmp_path / "file")
    assert git_commit(tmp_path) == f"{clean}+unknown"
    assert not (tmp_path / "EXECUTED").exists()


def test_matplotlib_s_settings_in_the_current_folder_change_nothing(study: Study) -> None:
    made_storage(study.folder / "results", {"a": [0.9, 0.91], "b": [0.8, 0.82]})
    assert study("report", "--out", "before").returncode == 0
    (study.folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://evil\nfont.size: 30\n")
    (study.folder / "evil.py").write_text(HOSTILE_MODULE)
    done = study("report", "--out", "after")
    assert done.returncode == 0, done.stderr
    assert not (study.folder / "EXECUTED").exists()
    before, after = ((study.folder / of / "figures/width.svg").read_bytes() for of in ("before", "after"))
    assert before == after


def as_pipe(at: Path) -> None:
    os.mkfifo(at)


SETTINGS: dict[str, Callable[[Path], object]] = {
    "pipe": as_pipe,
    "endless": lambda at: at.symlink_to("/dev/zero"),
    "steering": lambda at: at.write_bytes(b"evil\033]0;PWNED\007key: 1\n"),
    "binary": lambda at: at.write_bytes(b"font.size: \xff\xfe\n"),
}


@pytest.mark.parametrize("attack", SETTINGS)
def test_matplotlib_does_not_read_settings_in_the_current_folder(study: Study, attack: str) -> None:
    SETTINGS[attack](study.folder / "matplotlibrc")
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "import analysis.figures, os; print(os.getcwd())"],
        cwd=study.folder,
        env={**study.environment, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": "settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    resource.prlimit(process.pid, resource.RLIMIT_AS, (2 * 1024**3, 2 * 1024**3))
    try:
        out, err = process.communicate(timeout=HANG)
    finally:
        process.kill()
    # Said where that takes long, as on a busy machine.
    err = err.replace("Matplotlib is building the font cache; this may take a moment.\n", "")
    assert (process.returncode, out, err) == (0, f"{study.folder.resolve()}\n", "")
    assert (study.folder / "settings").is_dir()


def test_listing_leaves_a_file_too_large_for_a_study_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "search_spaces"
    folder.mkdir()
    (folder / "long.py").write_text(f"STUDY = [{'a,' * 500_000}]")
    with (folder / "sparse.py").open("wb") as file:
        file.truncate(100 * 1024**2)
    (folder / "mine.py").write_text("STUDY: object = 1")
    (folder / "user.py").write_text("mine = STUDY")
    monkeypatch.chdir(tmp_path)
    rows, left_out = listed()
    assert "mine" in {row["name"] for row in rows}
    for name in ("long", "sparse"):
        assert f"search_spaces/{name}.py has more than 262,144 bytes, too many for a study file." in left_out
    assert "search_spaces/user.py has no STUDY." in left_out


@pytest.mark.parametrize(
    "text",
    [
        "# h", "~~~ # h", "- a", "-", "+ x", "* x", "1. x", "2) x", "> q", "= =", "===", "---", "- - -",
        "***", "_ _ _", "    x", "*a* _b_ __c__ ~~d~~ e_f_g", "`a` [b](c) ![](d) <i>e</i> &lt; &#35;",
        "x\n# y", "\\# h", "| a | b |",
    ],
)  # fmt: skip
def test_a_text_is_only_text_in_markdown(text: str) -> None:
    page = MarkdownIt().enable(["strikethrough", "table"]).render(f"before\n{in_markdown(text)}\n")
    assert page == f"<p>before\n{html.escape(' '.join(text.split()))}</p>\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a.example/b", r"see https\://a.example/b"),
        ("WWW.a.example", r"WWW\.a.example"),
        ("_www.a.example", r"\_www\.a.example"),
        ("a.b@c.example", "a.b<!-- -->@c.example"),  # a backslash is not enough for GitHub there
        ("+1.67 ± 0.1", "+1.67 ± 0.1"),
        ("batch_size=1", "batch_size=1"),
    ],
)
def test_an_address_is_no_link_on_github_and_numbers_and_names_stay(text: str, shown: str) -> None:
    assert in_markdown(text) == shown


def test_no_text_is_a_formula_whatever_separates_cells_and_numbers_stay() -> None:
    texts = ["x;=1+1", "x\t@y", "＝1+1", "－1x", " =1", "\t1x", "-1", "a=-1, b=+2", "x-1"]
    guarded = ["x;'=1+1", "x\t'@y", "'＝1+1", "'－1x", " '=1", "'\t1x", "-1", "a=-1, b=+2", "x-1"]
    table = pd.DataFrame({"arm": texts, "accuracy": np.arange(9) - 0.5})
    read = pd.read_csv(io.BytesIO(csv(table)))
    assert read.arm.tolist() == guarded
    assert read.accuracy.tolist() == table.accuracy.tolist()
