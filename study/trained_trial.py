"""A trained training: what a trial was when its last step was done, as `study tune --keep-weights` keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.declare.data import SharedData, default_folder
from study.declare.study import Study
from study.errors import StudyError
from study.key import trial_keys
from study.lineage import lineage_of
from study.plain import plain
from study.request import studies_of
from study.running.trial_run import TrialRun
from study.store.records import Damaged
from study.store.trial_store import open_store
from study.training import Training


def trained(
    study: Study | str | Path,
    arm: Any,
    seed: int = 0,
    storage: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "cpu",
) -> Training:
    """The training of this arm and seed as it was after its last step, with the weights and all else of its state.

    study: a Study, a file or a name, as of `study.run`.
    arm: its value or label.
    storage, data_dir: as of `study.run`.
    device: "cpu" or "cuda", wherever it was trained.

    Raises StudyError where there is no such trial, where its weights were not kept (`--keep-weights`), and where the
    training or its data have changed since.

    Example: `study.trained("network_width", 100, seed=2).model`
    """
    from study.analysis import results

    (named,) = studies_of((study,))
    kind, store, seed = named.kind, open_store(storage), plain(seed)
    found = results.load(store, [named.name])
    trials = found.of(named.name)
    of_arm = trials[trials.arm == str(arm)]
    if of_arm.empty:
        raise StudyError(f"{named.name}: no arm {str(arm)!r}; arms: {', '.join(dict.fromkeys(trials.arm))}")
    with_seed = of_arm[of_arm.seed == seed]
    if with_seed.empty:
        known = ", ".join(map(str, of_arm.seed))
        raise StudyError(f"{named.name} {arm}: no seed {seed!r} was trained to its end; seeds: {known}")
    key, called = with_seed.key.iloc[0], f"{named.name} {arm} seed {seed}"
    try:
        result, state = store.result(key), store.trained(key)
    except Damaged as damage:
        raise StudyError(str(damage)) from None
    if state is None:
        raise StudyError(
            f"{called}: its weights were not kept.",
            "study tune with --keep-weights --fresh trains it again, to the same bits, and keeps them."
            if kind.continues
            else f"{kind.called()} has no state that could be kept.",
        )
    config, lineage = kind.Config.model_validate(result["config"]), lineage_of(result.get("lineage", []))
    shared = SharedData(default_folder() if data_dir is None else Path(data_dir))
    if trial_keys(kind, config, [seed], shared.fingerprint(kind, config), lineage) != [key]:
        raise StudyError(f"{called}: {kind.called()} or its data have changed since it was trained.")
    run = TrialRun(kind, config, shared.load(kind, config), seed, device, lineage)
    try:
        run.resume(state)
    except ValueError as error:
        raise StudyError(f"{called}: {error}") from None
    return run.training
