"""`study.run` in a real kernel: progress that is drawn in place, interrupting, continuing, the result."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import wait_until
from run_notebook import client_of, environment, html_of

SLOW = """
import time
import study

class Slow(study.Training):
    metrics = (study.lower("loss"),)
    state = ("x",)
    version = "1"

    def __init__(self, config, data, seed, device):
        self.steps, self.x = 300, 0.0

    def step(self, t):
        time.sleep(0.02)
        self.x += 1
        return {"loss": self.x}

SLOW = study.Study(title="Slow", training=Slow, arms={"a": {}})
"""


class Kernel:
    """A kernel in which a test runs cells, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = client_of(nbformat.v4.new_notebook(), folder, allow_errors=True)

    def run(self, code: str, interrupt_when: Callable[[], bool] | None = None) -> list[Any]:
        """The cell's outputs, as a notebook would hold them; it is interrupted once that is true."""
        cell = nbformat.v4.new_code_cell(code)
        self.client.nb.cells.append(cell)
        if interrupt_when is not None:
            threading.Thread(target=self._interrupt, args=(interrupt_when,)).start()
        self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        return list(cell.outputs)

    def _interrupt(self, when: Callable[[], bool]) -> None:
        wait_until(when, "what the cell is interrupted at")
        asyncio.run(self.client.km.interrupt_kernel())


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    kernel = Kernel(folder)
    with kernel.client.setup_kernel(env=environment(folder)):
        assert kernel.run(SLOW) == []
        yield kernel


@pytest.mark.parametrize("how", ["in_process=True", "max_concurrent=1"])
def test_an_interrupted_cell_keeps_what_it_trained_and_continues(kernel: Kernel, how: str) -> None:
    storage = how.partition("=")[0]
    call = f"frame = study.run(SLOW, seeds=1, storage={storage!r}, checkpoint_every=0.5, {how})"
    trials = kernel.folder / storage / "trials"
    stopped = kernel.run(call, lambda: any(trials.glob("*/checkpoint*")))
    assert stopped[-1].output_type == "error"
    assert stopped[-1].ename == "KeyboardInterrupt"
    assert {output.output_type for output in stopped[:-1]} == {"display_data"}
    first, progress, said = html_of(stopped)
    assert first == "1 trials: 1 to train"
    assert progress == "0/1 trials"
    assert said == "Stopped; what was trained is kept. To continue, run the same again."
    assert not any(trials.glob("*/result.json"))

    again = kernel.run(f"{call}\nframe")
    assert [output.output_type for output in again] == ["display_data"] * 3 + ["execute_result"]
    first, progress, note, shown = html_of(again)
    assert first == "1 trials: 1 to continue, 1 to train"
    assert re.fullmatch(r"\[1/1\] slow a seed 0: loss 300, \d+ steps/s\s+1/1 trials", progress)
    assert re.fullmatch(r"slow a seed 0: continues at step \d+", note)
    assert "300" in shown


QUICK = """
@study.function(study.lower("loss"), version="1")
def quick(seed):
    if seed == 3:
        print("this is seed 3")
    return {"loss": seed}

QUICK = study.Study(title="Quick", training=quick, arms={"a": {}})
"""


def test_many_trials_share_one_output_and_what_a_training_prints_is_seen(kernel: Kernel) -> None:
    assert kernel.run(QUICK) == []
    call = "study.run(QUICK, seeds=25, storage='quick', in_process=True"
    outputs = kernel.run(f"{call})")
    kinds = [output.output_type for output in outputs]
    assert kinds == [*["display_data"] * 3, "stream", "execute_result"]
    _, cannot_continue, progress, _ = html_of(outputs)
    assert "can't be continued" in cannot_continue
    lines = progress.splitlines()
    assert lines[0].strip() == "... 5 more"
    assert [line.partition(" ")[0] for line in lines[1:]] == [*(f"[{n}/25]" for n in range(6, 26)), "25/25"]
    assert outputs[3].text == "this is seed 3\n"
    assert [output.output_type for output in kernel.run(f"{call}, progress=False)")] == ["execute_result"]
