"""A script as a training: run as it is, its lines are steps, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import wait_until

import study
from study import StudyError
from study.cluster.jobs import planned
from study.cluster.payload import packed
from study.running.trial_run import TrialRun
from study.training import Training


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(folder: Path, text: str, name: str = "train.py") -> None:
    (folder / name).write_text(textwrap.dedent(text))


def trained(kind: type[Training], seed: int = 0, **config: Any) -> TrialRun:
    run = TrialRun(kind, kind.Config(**config), None, seed)
    try:
        while not run.done:
            run.run(3)
    finally:
        run.training.close()
    return run


LINE = "python train.py {seed}"
LOSS = study.lower("loss")


def test_lines_of_json_are_steps_and_all_others_are_let_pass(folder: Path) -> None:
    script(
        folder,
        """
        import json, sys
        print("hello", {"loss": 1})
        for i in range(5):
            print(json.dumps({"loss": i / 2 + int(sys.argv[1]), "other": "text"}))
            print(json.dumps([1, 2]), "{", file=sys.stderr)
        """,
    )
    run = trained(study.command(LINE, LOSS), seed=3)
    assert run.history.series("loss")[1].tolist() == [3, 3.5, 4, 4.5, 5]
    assert run.steps == 5


def test_other_lines_are_read_by_patterns(folder: Path) -> None:
    script(folder, 'for i in range(3): print(f"epoch {i}: loss={i / 4:.2f} acc {i * 10}%")')
    read = {"loss": r"loss=(\S+)", "acc": r"acc (\d+)%"}
    run = trained(study.command(LINE, LOSS, study.higher("acc"), read=read))
    assert run.history.values() == {"loss": 0.5, "acc": 20.0}


def test_a_file_of_metrics_is_read_while_it_is_written(folder: Path) -> None:
    script(
        folder,
        """
        import json, sys
        with open(sys.argv[2], "w") as file:
            for i in range(3):
                print(json.dumps({"loss": i}), file=file, flush=True)
                print({"loss": 100})
        """,
    )
    kind = study.command("python train.py {seed} {scratch}/m.jsonl", LOSS, metrics_file="{scratch}/m.jsonl")
    run = trained(kind)
    assert run.history.series("loss")[1].tolist() == [0, 1, 2]
    assert not Path(run.training._scratch).exists()  # type: ignore[attr-defined]


def test_placeholders_are_filled_word_by_word(folder: Path) -> None:
    script(
        folder,
        "import json, sys; print(json.dumps({'loss': len(sys.argv)})); print(sys.argv, file=sys.stderr)",
    )
    config = {"text": "two words; $HOME", "lr": 0.1, "on": True}
    assert (
        trained(study.command(LINE + " --text={text} {lr:g} {on}", LOSS, config=config)).history.value("loss")
        == 5
    )


def test_its_share_of_the_machine_is_in_its_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    script(folder, "import os; print('{\"loss\": %s}' % os.environ['OMP_NUM_THREADS'])")
    assert trained(study.command(LINE, LOSS)).history.value("loss") == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; print('a'); sys.exit('no such data')", r"exit code 1[\s\S]*no such data"),
        ("1 / 0", r"exit code 1[\s\S]*ZeroDivisionError"),
        ("import os; os.abort()", "signal 6"),
        ("print('nothing')", "ended without a line that measures loss"),
        ("print('{\"loss\": 0.')", "begins as JSON and is none"),
        ('print(\'{"loss": "low"}\')', "needed is a number"),
        ("print('{\"loss\": [1]}')", "needed is a number"),
    ],
)
def test_what_a_script_does_wrong_is_its_trials_error(folder: Path, text: str, said: str) -> None:
    script(folder, text)
    with pytest.raises(StudyError, match=said):
        trained(study.command(LINE, LOSS))


def test_a_command_that_is_none_is_an_error(folder: Path) -> None:
    with pytest.raises(StudyError, match="no-such-program can't be started"):
        trained(study.command("no-such-program {seed}", LOSS))


def test_a_number_that_a_pattern_finds_must_be_one(folder: Path) -> None:
    script(folder, "print('loss: n/a')")
    with pytest.raises(StudyError, match="read 'n/a' as loss"):
        trained(study.command(LINE, LOSS, read={"loss": r"loss: (\S+)"}))


def test_a_flood_of_output_takes_no_memory(folder: Path) -> None:
    script(
        folder,
        """
        import sys
        for _ in range(200):
            sys.stdout.write("x" * 1_000_000)
        print()
        print('{"loss": 1}')
        """,
    )
    before = psutil.Process().memory_info().rss
    assert trained(study.command(LINE, LOSS)).history.value("loss") == 1
    assert psutil.Process().memory_info().rss - before < 100e6


CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print('{"loss": %d}' % child.pid, flush=True)
"""


def test_a_child_that_a_script_left_behind_is_ended(folder: Path) -> None:
    script(folder, CHILD)
    child = trained(study.command(LINE, LOSS)).history.value("loss")
    wait_until(lambda: not _runs(int(child or 0)), "the end of the child")


def test_a_script_that_ignores_sigterm_is_ended_all_the_same(folder: Path) -> None:
    script(
        folder,
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('{"loss": %d}' % os.getpid(), flush=True)
        time.sleep(600)
        """,
    )
    run = TrialRun(study.command(LINE, LOSS), study.Config(), None, 0)
    run.run(1)
    started = time.monotonic()
    run.training.close()
    assert time.monotonic() - started < 60
    assert not _runs(int(run.history.value("loss") or 0))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signal at a parent's death")
def test_a_script_ends_with_the_process_that_trains_it(folder: Path) -> None:
    script(folder, "import os, time; print('{\"loss\": %d}' % os.getpid(), flush=True); time.sleep(600)")
    driver = """
        import study
        from study.running.trial_run import TrialRun
        run = TrialRun(study.command("python train.py {seed}", study.lower("loss")), study.Config(), None, 0)
        run.run(1)
        print(int(run.history.value("loss")), flush=True)
        run.run(1)
    """
    with psutil.Popen([sys.executable, "-c", textwrap.dedent(driver)], stdout=-1, text=True) as process:
        pid = int(process.stdout.readline())
        assert _runs(pid)
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not _runs(pid), "the end of the script")


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_all_mistakes_of_a_command_are_named_at_once() -> None:
    with pytest.raises(StudyError) as error:
        study.command(
            "python train.py {lr} {widht} {when}",
            LOSS,
            config={"lr": 0.1, "width": 3, "when": None},
            read={"los": "x", "loss": "("},
        )
    said = "\n".join(error.value.mistakes)
    assert "{widht} is no hyperparameter" in said
    assert "width stands nowhere" in said
    assert "config['when'] = None: give a number" in said
    assert "{seed} stands nowhere" in said
    assert "'los', which is no metric" in said
    assert "is no regular expression" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "give a command"),
        ("python 'x {seed}", "No closing"),
        ("x {seed} {0}", "is no name"),
        ("x {", "Single"),
    ],
)
def test_a_line_that_is_no_command_is_an_error(line: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        study.command(line, LOSS)


def test_its_scripts_travel_with_a_job(folder: Path) -> None:
    script(folder, "import helper")
    script(folder, "y = 2", "helper.py")
    (folder / "settings.txt").write_text("a")
    (folder / "which.py").write_text(
        "import study\nSTUDY = study.Study(title='W', arms={'a': {}}, training=study.command(\n"
        "    'python train.py {seed}', study.lower('loss'), files=['settings.txt']))\n"
    )
    plan = planned([study.load("which.py")], 1, {})
    sent = packed(["which.py"], plan.own_code()).files
    assert {str(path) for path in sent} == {"which.py", "train.py", "helper.py", "settings.txt"}


def test_the_key_follows_from_what_the_script_and_its_imports_mean(folder: Path) -> None:
    script(folder, "import helper\nx = 1  # one")
    script(folder, "y = 2", "helper.py")
    (folder / "data.txt").write_text("a")

    def identity() -> Any:
        return study.command(LINE, LOSS, files=["data.txt"]).identity(None)

    first = identity()
    script(folder, '"""What it does."""\nimport helper\n\nx = 1')
    assert identity() == first
    for name, text in (("train.py", "import helper\nx = 2"), ("helper.py", "y = 3"), ("data.txt", "b")):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        assert identity() != first, name
        (folder / name).write_text(before)
    assert study.command(LINE, LOSS, version="1").identity(None) == {"training": "train", "version": "1"}
