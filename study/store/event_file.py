"""What TensorBoard's event files say of a trial: its metrics by step, its hyperparameters, and how it ended."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.api_pb2 import Status
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

from study.store.curve_file import points
from study.store.fields import moment

PREFIX = "events.out.tfevents."
# Of a series, evenly chosen: TensorBoard shows 1,000 of them.
MOST_POINTS = 10_000


class EventFile:
    """An event file that grows: its name, and the bytes that are new since they were last taken."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._writer = EventsWriter(f"{self._folder.name}/events")
        (self._path,) = Path(self._folder.name).iterdir()
        self._taken = 0
        self.name = self._path.name
        # The last step of each series that was added.
        self._last: dict[str, int] = {}

    def add(self, events: Iterable[Any]) -> None:
        for event in events:
            self._writer.write_event(event)

    def add_running(self, said: Mapping[str, Any]) -> None:
        """The points that are new in what running.json says (`running_file.RunningRecord`)."""
        updated = moment(said["updated"])
        begun = updated - said["seconds"]
        for name, one in said["series"].items():
            for step, value in zip(one["steps"], one["values"], strict=True):
                if step > self._last.get(name, 0):
                    self._last[name] = step
                    when = begun + said["seconds"] * step / max(1, said["step"])
                    self._writer.write_event(_scalar(name, value, step, when))

    def take(self) -> bytes:
        self._writer.flush()
        with self._path.open("rb") as file:
            file.seek(self._taken)
            new = file.read()
        self._taken += len(new)
        return new

    def close(self) -> None:
        self._writer.close()
        self._folder.cleanup()


def begun(config: Mapping[str, Any], seed: int, started: str) -> Iterator[Any]:
    """The events of a trial that begins; `started` is the moment, in ISO 8601.

    They hold the hyperparameters for the HParams tab, and as a text. There is no record of all of them and of the
    metrics ("experiment") among them: of several such records TensorBoard heeds one, and would not show the metrics of
    other trainings. Without one it lists all that it finds.
    """
    when = moment(started)
    # Drops what TensorBoard knows of an earlier file of this trial.
    yield Event(wall_time=when, step=0, session_log=SessionLog(status=SessionLog.START))
    settings = {**config, "seed": seed}
    start = SessionStartInfo(start_time_secs=when)
    for name, value in settings.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, int | float) and abs(value) <= sys.float_info.max:
            start.hparams[name].number_value = float(value)
        else:
            start.hparams[name].string_value = value if isinstance(value, str) else json.dumps(value)
    yield _session("session_start_info", start, when)
    lines = "\n".join(f"    {name}: {value}" for name, value in settings.items())
    yield Event(wall_time=when, step=0, summary=summary.text("hyperparameters", lines))


def whole(result: Mapping[str, Any], curve: pa.Table) -> Iterator[Any]:
    """The events of a trial that ended, from its result and its curve.

    Each metric has a series: at the steps where it was measured, at 10,000 of them at most. `final/<metric>` is what
    the trial counts as, which may be the best value, or the mean of the last ones.
    """
    started, seconds = result["provenance"]["started"], result["provenance"]["training_seconds"]
    yield from begun(result["config"], result["seed"], started)
    first, steps = moment(started), max(1, result["steps"])
    for name in filter(lambda name: name != "step", curve.column_names):
        at, values = points(curve, name, MOST_POINTS)
        for step, value in zip(at.tolist(), values.tolist(), strict=True):
            yield _scalar(name, value, step, first + seconds * step / steps)
    for name, value in result.get("metrics", {}).items():
        yield _scalar(f"final/{name}", value, result["at"].get(name, steps), first + seconds)
    status = "STATUS_SUCCESS" if result["status"] == "finished" else "STATUS_FAILURE"
    end = SessionEndInfo(status=Status.Value(status), end_time_secs=first + seconds)
    yield _session("session_end_info", end, first + seconds)


def _scalar(name: str, value: float, step: int, when: float) -> Any:
    return Event(wall_time=when, step=step, summary=summary.scalar(name, value))


def _session(what: str, info: Any, when: float) -> Any:
    """A record of the HParams tab, which reads it from the metadata of a summary without a value."""
    content = HParamsPluginData(version=0, **{what: info}).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    value = Summary.Value(tag=f"_hparams_/{what}", metadata=SummaryMetadata(plugin_data=plugin))
    return Event(wall_time=when, step=0, summary=Summary(value=[value]))
