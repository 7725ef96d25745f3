"""Records that somebody else wrote, with a right checksum: names, texts and values that no study has."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import STUDY_FILE, Study
from storages import made_storage

from analysis import load
from analysis.claims import verdicts
from analysis.comparison import from_reference, side_by_side
from analysis.figures import draw_effects, draw_training_curves, rendered
from analysis.tables import arm_table
from study.declare.claims import increasing
from study.store.records import encoded


def test_names_that_no_study_has_are_left_out_and_stop_nothing(study: Study) -> None:
    folder = study.folder / "results"
    made_storage(folder, {"a": [0.9, 0.91], "b": [0.8, 0.81]}, name="width v1.5")
    record = (folder / "studies/width v1.5.json").read_bytes()
    wrong = [b"\xff", b"x" * 245, "名".encode() * 80, b".", b"-x", b"a\nb"]
    for name in wrong:
        Path(os.fsdecode(bytes(folder / "studies") + b"/" + name + b".json")).write_bytes(record)
    trial = Path(os.fsdecode(bytes(folder / "trials") + b"/\xff"))
    trial.mkdir()
    (trial / "stopped.json").write_bytes(record)
    for words in (("status",), ("verify",), ("report", "--out", "out")):
        done = study(*words)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(".json: is no name of a study") == len(wrong)
        assert "studies/\\udcff.json" in done.stderr
    assert "studies/\\udcff.json" in (study.folder / "out/index.html").read_text()
    assert "trials/\\udcff: is no name of a trial" in done.stderr
    assert (study.folder / "out/figures/effects/width v1.5.pdf").exists()
    for given in ("width v1.5", "folder/width v1.5.py"):
        assert json.loads(study("status", given, "--json").stdout)[0]["finished"] == 4
    assert study("compare", "width v1.5", "width v1.5.py").returncode == 0
    assert load(folder).studies.keys() == {"width v1.5"}


def test_a_study_whose_record_could_not_be_read_again_is_not_trained(study: Study) -> None:
    (study.folder / "long.py").write_text(STUDY_FILE.replace("Tiny Width", "x" * 1001))
    done = study("tune", "long.py")
    assert done.returncode == 2
    assert "long: title: String should have at most 1000 characters" in done.stderr
    assert not (study.folder / "results").exists()


LONG = "x" * 10_001
CLAIM = {"kind": "increasing", "sentence": LONG, "metric": "test_accuracy"}


@pytest.mark.parametrize(
    "told",
    [
        *({name: LONG} for name in ("title", "question", "varies", "source")),
        {"claims": [CLAIM]},
        {"overrides": {"epochs": LONG}},
    ],
    ids=lambda told: next(iter(told)),
)
def test_a_study_with_a_text_too_long_to_be_shown_is_left_out(tmp_path: Path, told: dict[str, Any]) -> None:
    claims = told.pop("claims", [])
    store = made_storage(tmp_path, {"a": [0.9], "b": [0.8]}, **told)
    if claims:
        record = store.study("width")
        store.save_study({**record, "claims": claims})
    results = load(tmp_path)
    assert not results.studies
    assert "characters" in results.problems[0]


def test_a_label_too_long_to_be_shown_is_left_out(tmp_path: Path) -> None:
    candidates = [{"overrides": {}, "keys": ["a-0"]}]
    arms = [{"label": "x" * 400_000, "overrides": {}, "candidates": candidates}]
    made_storage(tmp_path, {"a": [0.9]}, arms=arms, reference="x" * 400_000)
    assert "at most 1000 characters" in load(tmp_path).problems[0]


def test_a_figure_of_many_arms_shows_some_and_cuts_what_is_long(tmp_path: Path) -> None:
    labels = [f"{place} {'x ' * 400}" for place in range(1000)]
    candidates = [{"overrides": {}, "keys": ["a-0"]}]
    arms = [{"label": label, "overrides": {}, "candidates": candidates} for label in labels]
    made_storage(tmp_path, {"a": [0.9]}, arms=arms, reference=labels[0], title="x\n" * 500)
    results = load(tmp_path)
    for draw, named in ((draw_training_curves, 10), (draw_effects, 100)):
        figure = draw(results, "width")
        axes = figure.axes[0]
        shown = figure.axes[-1].get_yticklabels()  # of the bar of a colour map, where there is one
        assert len(shown) == named
        assert max(len(text.get_text()) for text in shown) == 40
        assert len(axes.get_title()) == 200
        assert "the first 100 of 1,000 arms" in figure.get_supxlabel()
        assert rendered(figure, "png")


VALUES = (
    None,
    True,
    -1,
    0,
    10**30,
    2**63,
    1e308,
    -1e308,
    5e-324,
    "",
    "x",
    "../..",
    [],
    {},
    [[]],
    [1],
    {"a": 1},
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a record has something; of a list, in its first two entries."""
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for name, inner in entries:
        yield from places(inner, (*path, name))


def changed(record: dict[str, Any], path: tuple[str | int, ...], to: Any) -> dict[str, Any]:
    """The record with another value at this place; without it, or with it twice where that is said."""
    whole: Any = json.loads(json.dumps(record))
    within = whole
    for name in path[:-1]:
        within = within[name]
    if to == "absent":
        del within[path[-1]]
    elif to == "twice" and isinstance(within, list):
        within.append(within[path[-1]])
    else:
        within[path[-1]] = to
    return whole


def test_a_record_with_a_right_checksum_and_any_wrong_value_is_read_or_left_out(tmp_path: Path) -> None:
    """300 changes, of some 3,000 that there are, through all that analysis computes."""
    claims = [increasing("test_accuracy", "s")]
    told = {"claims": claims, "published": {"a": {"test_accuracy": 95.0}}}
    made_storage(tmp_path, {"a": [0.9, 0.91], "b": [0.8, "diverged"], "c": [0.7, None]}, **told)
    files = [
        tmp_path / of for of in ("studies/width.json", "trials/a-0/result.json", "trials/b-1/result.json")
    ]
    records = {path: json.loads(path.read_text()) for path in files}
    every = [
        (path, place, value)
        for path, record in records.items()
        for place in places({name: of for name, of in record.items() if name != "sha256"})
        for value in (*VALUES, "absent", "twice")
        if place
    ]
    for path, place, value in random.Random(0).sample(every, 300):
        whole = path.read_bytes()
        record = changed({name: of for name, of in records[path].items() if name != "sha256"}, place, value)
        path.write_bytes(encoded(record))
        results = load(tmp_path)
        for name in results.studies:
            verdicts(results, name)
            side_by_side(results, name, results, name)
            arm_table(results, name)
            from_reference(results, name)
        path.write_bytes(whole)


def test_a_record_without_a_checksum_is_said_to_have_none(study: Study) -> None:
    made_storage(study.folder / "results", {"a": [0.9, 0.91], "b": [0.8, 0.81]}, name="old")
    path = study.folder / "results/studies/old.json"
    path.write_text(
        json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "sha256"})
    )
    assert "studies/old.json: has no checksum" in study("status").stderr
