"""A trained training: what a trial was when its last step was done, as `study tune --keep-weights` keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.declare.data import SharedData, default_folder
from study.declare.study import Study
from study.errors import StudyError
from study.key import trial_keys
from study.lineage import lineage_of
from study.plain import plain
from study.request import studies_of
from study.running import as_before
from study.running.trial_run import TrialRun
from study.store.records import Damaged
from study.store.trial_store import TrialStore, open_store
from study.training import Training


@as_before.generators()
@as_before.training_settings()
def trained(
    study: Study | str | Path,
    arm: Any,
    seed: int | None = None,
    storage: str | Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "cpu",
) -> Training:
    """The training of this arm and seed as it was after its last step, with the weights and all else of its state.

    study: a Study, a file or a name, as of `study.run`.
    arm: its value or label; of a search also a point, such as "point 12".
    seed: by default the first that was trained to its end.
    storage, data_dir: as of `study.run`.
    device: "cpu" or "cuda", wherever it was trained.

    Raises StudyError where there is no such trial, where its weights were not kept (`--keep-weights`), and where the
    training or its data have changed since.

    Example: `study.trained("network_width", 100, seed=2).model`
    """
    (named,) = studies_of((study,))
    kind, store = named.kind, open_store(storage)
    key, called = _find(store, named.name, str(arm), plain(seed))
    changed = StudyError(f"{called}: {kind.called()} or its data have changed since it was trained.")
    try:
        result = store.result(key)
        if result["status"] == "diverged":
            raise StudyError(f"{called}: it diverged, and nothing is kept of such a trial.")
        config = kind.Config.model_validate_json(json.dumps(result["config"]))
        lineage = lineage_of(result.get("lineage", []))
        shared = SharedData(default_folder() if data_dir is None else Path(data_dir))
        if trial_keys(kind, config, [result["seed"]], shared.fingerprint(kind, config), lineage) != [key]:
            raise changed
        run = TrialRun(kind, config, shared.load(kind, config), result["seed"], device, lineage)
        state = store.trained(key, run.most_state_bytes()) if kind.continues else None
        if state is None:
            raise StudyError(
                f"{called}: its weights were not kept.",
                "study tune with --keep-weights --fresh trains it again, to the same bits, and keeps them."
                if kind.continues
                else f"{kind.called()} has no state that could be kept.",
            )
        run.resume(state)
    except ValidationError:
        raise changed from None
    except (Damaged, ValueError) as error:
        raise StudyError(f"{called}: {error}") from None
    if device == "cpu" and run.weights_sha256() != result["weights_sha256"]:
        raise StudyError(f"{called}: the weights that were kept are not those of its result.")
    return run.training


def _find(store: TrialStore, name: str, arm: str, seed: Any) -> tuple[str, str]:
    """The key of the trial, and what it is called. Raises StudyError where there is none that ended."""
    from study.analysis import results

    found = results.load(store, [name])
    if name not in found.studies:
        raise StudyError(f"{name}: was not run in {store.root}.", *found.problems)
    trials = found.of(name) if found.tuned(name) else found.every(name)
    of_arm = trials[trials.arm == arm]
    if of_arm.empty:
        raise StudyError(f"{name}: no arm {arm!r}; arms: {', '.join(dict.fromkeys(found.of(name).arm))}")
    ended = of_arm[of_arm.status.isin(results.ENDED)]
    chosen = ended if seed is None else ended[ended.seed == seed]
    if chosen.empty:
        known = ", ".join(map(str, ended.seed)) or "none"
        asked = "" if seed is None else f" seed {seed!r}"
        raise StudyError(f"{name} {arm}{asked}: the seeds that were trained to their end are: {known}")
    return chosen.key.iloc[0], f"{name} {arm} seed {chosen.seed.iloc[0]}"
