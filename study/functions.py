"""A function as a training: for what can't be cut into steps, such as a library's own fit.

It can't be continued in the middle: a trial that is killed starts anew.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import create_model

from study.errors import StudyError
from study.metric import Metric
from study.training import Config, Training

# Parameters of a function that are no hyperparameters.
GIVEN = ("report", "seed", "data", "device")
# What a function gets to end when its trial is over.
GRACE_SECONDS = 10.0


class Report:
    """What a function calls as it goes: `report(loss=0.3)` or `report({"loss": 0.3})`, one call for each step.

    `facts` are numbers for the result that are no metrics: `report.facts["parameters"] = 3274`.
    """

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._send = send
        self.facts: dict[str, int | float] = {}

    def __call__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self._send({**(values or {}), **more})


def function(
    *metrics: Metric,
    data: Callable[..., Any] | None = None,
    version: str | None = None,
    name: str = "",
    watched: str = "",
) -> Callable[[Callable[..., Any]], type[Training]]:
    """A decorator that makes a training of a function.

    The function's parameters are hyperparameters, each with a type and a default, but for four that it gets if it has
    them: `report`, to be called with what it measures; `seed`; `data`, what the function given as `data` returns (see
    `Training.data`); and `device`, "cpu" or "cuda". What it returns, if anything, is reported last. The generators of
    Python, NumPy and torch are seeded before it starts.

    metrics: what it measures; each at least once.
    version, name, watched: as in `Training`.

        @study.function(study.lower("rmse"))
        def ridge(seed, alpha: float = 1.0):
            x, y = load_diabetes(return_X_y=True)
            x, test_x, y, test_y = train_test_split(x, y, random_state=seed)
            return {"rmse": root_mean_squared_error(test_y, Ridge(alpha=alpha).fit(x, y).predict(test_x))}

    Raises StudyError where the function's parameters can't be hyperparameters.
    """

    def training(body: Callable[..., Any]) -> type[Training]:
        if not inspect.isfunction(body):
            raise StudyError(f"study.function makes a training of a function, not of {body!r}")
        fields: dict[str, Any] = {
            "Config": _config_of(body),
            "metrics": metrics,
            "version": version,
            "name": name or body.__name__,
            "watched": watched,
            "body": staticmethod(body),
            "__module__": body.__module__,
            "__qualname__": body.__qualname__,
            "__doc__": body.__doc__,
        }
        if data is not None:
            fields["data"] = staticmethod(data)
        return type(body.__name__, (FunctionTraining,), fields)

    return training


def _config_of(body: Callable[..., Any]) -> type[Config]:
    """Its hyperparameters as a Config. Raises StudyError, naming every parameter that can't be one."""
    try:
        kinds = typing.get_type_hints(body, include_extras=True)
    except Exception as error:  # a name in a type that does not exist
        raise StudyError(f"function {body.__name__}: its types can't be read: {error}") from None
    fields, mistakes = {}, []
    for one in inspect.signature(body).parameters.values():
        if one.name in GIVEN:
            continue
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            mistakes.append(
                f"function {body.__name__}: {one} can't be a hyperparameter; name each with a default"
            )
        elif one.default is one.empty:
            mistakes.append(f"function {body.__name__}: {one.name} has no default: {one.name}: float = 0.1")
        elif one.name not in kinds:
            mistakes.append(
                f"function {body.__name__}: {one.name} has no type: {one.name}: float = {one.default!r}"
            )
        else:
            fields[one.name] = (kinds[one.name], one.default)
    if mistakes:
        raise StudyError(*mistakes)
    made: type[Config] = create_model(f"{body.__name__}_config", __base__=Config, **fields)  # type: ignore[call-overload]
    return made


class FunctionTraining(Training):
    """A function in a thread of its own, which runs from one report to the next while a step is asked for."""

    continues = False
    body: ClassVar[Callable[..., Any]]

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps = None
        self._report = Report(self._send)
        self.facts = self._report.facts
        given = {"report": self._report, "seed": seed, "data": data, "device": device}
        asked = inspect.signature(self.body).parameters.keys()
        self._arguments = {name: value for name, value in given.items() if name in asked}
        self._arguments |= {name: getattr(config, name) for name in type(config).model_fields}
        self._turn = threading.Semaphore(0)  # the function's
        self._back = threading.Semaphore(0)  # ours
        self._row: Mapping[str, Any] | None = None
        self._error: BaseException | None = None
        self._over = False
        self._thread: threading.Thread | None = None

    def advance(self, t: int, n: int, seed_step: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
        """Up to n reports."""
        for i in range(t, t + n):
            if self._thread is None:
                seed_step(0)
                self._thread = threading.Thread(target=self._run, name=self.called(), daemon=True)
                self._thread.start()
            self._turn.release()
            self._back.acquire()
            if self._error is not None:
                raise self._error
            if self._row is None:
                self.steps = i
                if i == 0:
                    raise StudyError(f"{self.called()} returned without reporting anything: report(loss=...)")
                return
            yield self._row

    def _run(self) -> None:
        self._turn.acquire()
        try:
            last = self.body(**self._arguments)
            if isinstance(last, Mapping):
                self._send(last)
            elif last is not None:
                raise StudyError(
                    f"{self.called()} returned a {type(last).__name__}; needed is a mapping of metrics"
                )
        except _Ended:
            return
        except BaseException as error:
            self._error = error
        self._row = None
        self._back.release()

    def _send(self, values: Mapping[str, Any]) -> None:
        if self._over:
            raise _Ended
        self._row = values
        self._back.release()
        self._turn.acquire()
        if self._over:
            raise _Ended

    def close(self) -> None:
        """End the function where it is. Raises RuntimeError where it can't be ended."""
        thread, self._over = self._thread, True
        if thread is None or not thread.is_alive():
            return
        self._turn.release()
        # It may be between two reports, in a loop that would never ask.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Ended)
        )
        thread.join(GRACE_SECONDS)
        if thread.is_alive():
            raise RuntimeError(f"{self.called()} still runs, {GRACE_SECONDS:g} s after its trial ended")


class _Ended(BaseException):
    """The trial is over; no Exception, so that an `except Exception` of the function does not catch it."""
