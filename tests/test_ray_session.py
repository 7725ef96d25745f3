"""Ray as a run starts it."""

import psutil
import pytest
import ray
from ray._private import ray_constants, worker

from study import StudyError
from study.running.ray_session import ray_session
from study.running.scratch import workspace


def test_a_run_starts_no_process_that_it_never_uses() -> None:
    with workspace() as folder, ray_session(None, folder) as nodes:
        started = [" ".join(of.cmdline()) for of in psutil.Process().children(recursive=True)]
    assert [node.cpus > 0 for node in nodes] == [True]
    assert any("raylet" in words for words in started)
    for unused in ("dashboard/dashboard.py", "monitor.py"):
        assert not any(unused in words for words in started), started


def test_a_ray_that_can_t_be_kept_to_this_machine_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ray_constants, "ENABLE_RAY_CLUSTER")
    with pytest.raises(StudyError, match="loopback"), workspace() as folder, ray_session(None, folder):
        pass


def test_a_ray_that_fails_in_the_middle_of_its_start_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:  # as Tune does where the caller once gave it what can't be pickled
        raise TypeError("cannot pickle it")

    monkeypatch.setattr(worker, "_post_init_hooks", [fails])
    with (
        pytest.raises(StudyError, match="cannot pickle it"),
        workspace() as folder,
        ray_session(None, folder),
    ):
        pass
    assert not ray.is_initialized()


def test_a_signal_that_interrupts_ray_s_end_does_not_leave_it_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end, asked = ray.shutdown, []

    def interrupted() -> None:
        asked.append(1)
        if len(asked) == 1:
            raise KeyboardInterrupt
        end()

    with pytest.raises(KeyboardInterrupt), workspace() as folder, ray_session(None, folder):
        monkeypatch.setattr(ray, "shutdown", interrupted)
    assert not ray.is_initialized()
