"""A storage that somebody else made, full of attacks, through every command that reads it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import HANG, Study
from storages import made_storage

from study.declare.claims import increasing
from study.store.curve_file import _sha256, encoded_curve
from study.store.records import Damaged
from study.store.trial_store import TrialStore

# What a terminal would do: clear itself, change its title, turn text around.
STEERING = "\x1b[2J\x1b]0;owned\x07\u202e"
GIB = 1024**3
# Python, pandas, matplotlib and a storage of some trials need about a fifth of this.
MOST_MEMORY = 3 * GIB
READING = (("status",), ("verify",), ("report", "--out", "out"), ("compare", "a", "b"), ("report", "a"))


@pytest.fixture
def storage(study: Study) -> TrialStore:
    """Two studies of three arms, one of them whose every text is hostile; and a folder that is somebody's."""
    words = f"{STEERING}[bold]=HYPERLINK(1)"
    claims = [increasing("test_accuracy", f"{words}<script>alert(1)</script>")]
    for name, told in (("a", {"title": "A"}), ("b", {"title": words, "question": words, "claims": claims})):
        made = made_storage(
            study.folder / "results",
            {"=1+1": [0.9, 0.91], f"b{words}": [0.8, 0.82], "@c": [0.8, None]},
            name=name,
            **told,
        )
    kept = study.folder / "somebody's"
    kept.mkdir()
    for file in ("result.json", "checkpoint.pt", "lock", "thesis.tex"):
        (kept / file).write_text("mine")
    return made


def untouched(study: Study) -> bool:
    return {path.name: path.read_text() for path in (study.folder / "somebody's").iterdir()} == dict.fromkeys(
        ("result.json", "checkpoint.pt", "lock", "thesis.tex"), "mine"
    )


def read_by_all(study: Study) -> str:
    """What every reading command says, each within bounds of time and memory."""
    said = ""
    for words in READING:
        process = study.begin(*words)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        out, err = process.communicate(timeout=HANG)
        assert process.returncode in (0, 3), err
        assert "Traceback" not in err
        said += out + err
    return said


def link(to: str) -> Callable[[Path], None]:
    return lambda at: at.symlink_to(to)


def sparse(at: Path) -> None:
    with at.open("wb") as file:
        file.truncate(100 * GIB)


def written(at: Path, columns: dict[str, Any], **options: Any) -> None:
    table = pa.table(columns).replace_schema_metadata({b"sha256": b"0" * 64})
    pq.write_table(table, at, **options)


def signed(at: Path, names: list[str], columns: list[pa.Array]) -> None:
    """A curve of these columns whose checksum is right, where one of such columns can be had."""
    table = pa.table(columns, names=names)
    with contextlib.suppress(ValueError):
        table = table.replace_schema_metadata({b"sha256": _sha256(table)})
    pq.write_table(table, at)


def many_rows(at: Path) -> None:
    """A few megabytes, in memory gigabytes."""
    kinds = {"step": "i8", "train_loss": "f8", "train_accuracy": "f8"}
    schema = pa.schema([(name, pa.from_numpy_dtype(kind)) for name, kind in kinds.items()])
    rows = 12_000_000
    part = pa.table({name: np.zeros(rows, kind) for name, kind in kinds.items()}, schema=schema)
    with pq.ParquetWriter(at, schema.with_metadata({b"sha256": b"0" * 64})) as writer:
        for _ in range(10):
            writer.write_table(part, row_group_size=rows)
    assert at.stat().st_size < 3_000_000


TRAINED, LOSS = "train_accuracy", "train_loss"
STEPS, ZEROS = pa.array(range(1, 5)), pa.array(np.zeros(4, np.float32))
CURVE_BOMBS: dict[str, Callable[[Path], None]] = {
    "rows": many_rows,
    "zstd": lambda at: written(at, {"loss": np.zeros(900_000)}, compression="zstd", use_dictionary=False),
    "texts": lambda at: written(
        at, {"loss": pa.DictionaryArray.from_arrays(np.zeros(900_000, "i4"), ["x" * 50_000])}
    ),
    "columns": lambda at: written(at, {f"c{i}": np.zeros(100_000, "f4") for i in range(200)}),
    "sparse": sparse,
    "twice": lambda at: signed(at, ["step", TRAINED, TRAINED, LOSS], [STEPS, ZEROS, ZEROS, ZEROS]),
    "dates": lambda at: signed(at, ["step", TRAINED, LOSS], [STEPS, STEPS.cast(pa.timestamp("us")), ZEROS]),
    "dated steps": lambda at: signed(
        at, ["step", TRAINED, LOSS], [STEPS.cast(pa.timestamp("us")), ZEROS, ZEROS]
    ),
    "durations": lambda at: signed(
        at, ["step", TRAINED, LOSS], [STEPS, STEPS.cast(pa.duration("us")), ZEROS]
    ),
    "hours": lambda at: signed(
        at, ["step", TRAINED, LOSS], [STEPS, pa.array([90_000] * 4, pa.int32()).cast(pa.time32("s")), ZEROS]
    ),
    "decimals": lambda at: signed(
        at, ["step", TRAINED, LOSS], [STEPS, STEPS.cast(pa.decimal128(20, 0)), ZEROS]
    ),
    "steps of no number": lambda at: signed(
        at, ["step", TRAINED, LOSS], [pa.array([1.0, np.nan, np.inf, 4.0]), ZEROS, ZEROS]
    ),
    "steps of nothing": lambda at: signed(
        at, ["step", TRAINED, LOSS], [pa.array([None] * 4, pa.int64()), ZEROS, ZEROS]
    ),
    "steps backwards": lambda at: signed(
        at, ["step", TRAINED, LOSS], [pa.array([2**63 - 1, -(2**63), 0, 1]), ZEROS, ZEROS]
    ),
    "few bytes a step": lambda at: signed(
        at, ["step", LOSS], [pa.array(np.zeros(90_000, int)), pa.nulls(90_000, pa.float32())]
    ),
    "no steps": lambda at: signed(at, [TRAINED, LOSS], [ZEROS, ZEROS]),
    "format 1": lambda at: signed(at, ["iteration", TRAINED, LOSS, "epoch"], [STEPS, ZEROS, ZEROS, STEPS]),
}
FILES: dict[str, Callable[[Path], None]] = {
    "pipe": lambda at: os.mkfifo(at),
    "link": link("/etc/passwd"),
    "endless": link("/dev/zero"),
    "folder": lambda at: at.mkdir(),
    "sparse": sparse,
    "deep": lambda at: at.write_text("[" * 1_000_000),
}


def test_what_is_no_result_is_left_out_at_once(study: Study) -> None:
    """Each attack in the place of a trial's result, of a curve, of a study and of a figure."""
    results = study.folder / "results"
    attacks = {f"{name}-result": (name, "result.json") for name in FILES}
    attacks |= {f"{name}-curve": (name, "curve.parquet") for name in CURVE_BOMBS | FILES}
    for name in ("a", "b"):
        store = made_storage(results, {arm: [0.9, 0.91] for arm in ("whole", *attacks)}, name=name)
    for arm, (attack, file) in attacks.items():
        path = results / "trials" / f"{arm}-0" / file
        path.unlink()
        (CURVE_BOMBS | FILES)[attack](path)
    (results / "figures").mkdir()
    for attack, make in FILES.items():
        make(results / f"studies/{attack}.json")
        make(results / f"figures/{attack}.png")
    for depth in range(900, 1000):  # what can be read can't always be written
        (results / f"studies/nested-{depth}.json").write_text('{"a":' + "[" * depth + "]" * depth + "}")
    said = read_by_all(study)
    for arm, (_, file) in attacks.items():
        assert f"{arm}-0/{file}" in said
    for attack in [*FILES, "nested-900", "nested-980", "nested-999"]:
        assert f"studies/{attack}.json" in said
    assert "root:" not in said + (study.folder / "out/report.md").read_text()
    for arm, (_, file) in attacks.items():
        with pytest.raises(Damaged, match=re.escape(file)):
            store.result(f"{arm}-0") if file == "result.json" else store.curve(f"{arm}-0")


def test_a_whole_curve_of_millions_of_steps_is_read(tmp_path: Path) -> None:
    n = 2_000_000
    losses = np.random.default_rng(0).random((2, n), np.float32)
    curve = {"step": np.arange(n), "train_loss": losses[0]}
    store = made_storage(tmp_path, {"a": [0.9]})
    store.files.write("trials/a-0/curve.parquet", encoded_curve({**curve, "train_accuracy": losses[1]}))
    assert len(store.curve("a-0")) == n


def test_nothing_steers_the_terminal_or_is_markup_or_a_formula(study: Study, storage: TrialStore) -> None:
    (study.folder / f"results/studies/x{STEERING}.json").write_text("{")
    said = read_by_all(study) + study("compare", "results", "results").stdout
    assert not [c for c in said if not c.isprintable() and c != "\n"]
    assert "\\x1b[2J" in said
    assert "[bold]" in said
    page, text = ((study.folder / "out" / name).read_text() for name in ("index.html", "report.md"))
    assert "<script>alert" not in page
    assert "<script>" not in text
    assert "&lt;script>alert(1)" in text
    for path in (study.folder / "out/tables").glob("*.csv"):
        cells = path.read_text().replace('"', "").split(",")
        assert not [cell for line in cells for cell in line.split("\n") if cell[:1] in ("=", "@")], path
    assert "'=1+1," in (study.folder / "out/tables/a.csv").read_text()


def wanted_trials(study: Study) -> list[str]:
    plan = json.loads(study("plan", "tiny_width.py", "--seeds", "1", "--json").stdout)
    return [trial["key"] for trial in plan["pending"]]


def test_tune_neither_follows_a_link_out_of_a_storage_nor_removes_what_is_not_its_own(
    study: Study, storage: TrialStore, tiny_study: Path
) -> None:
    first, second = wanted_trials(study)
    trials = study.folder / "results/trials"
    (trials / first).symlink_to(study.folder / "somebody's")
    (trials / second).mkdir()
    (trials / second / "result.json").symlink_to(study.folder / "somebody's/thesis.tex")
    (trials / second / "notes.txt").write_text("a note of a colleague")
    for folder in ("figures", "tables"):
        (study.folder / "results" / folder).symlink_to(study.folder / "somebody's")
    done = study("tune", "tiny_width.py", "--seeds", "1", "--tensorboard")
    assert done.returncode == 1, done.stderr
    assert f"lies behind the link {first!r}, which is not followed" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert untouched(study)
    assert (trials / second / "notes.txt").exists()
    assert not (trials / second / "result.json").is_symlink()
    again = study("tune", "tiny_width.py", "--seeds", "1", "--fresh")
    assert again.returncode == 2
    assert untouched(study)
    assert (trials / second / "notes.txt").exists()


def test_a_report_is_not_written_through_a_link(study: Study, storage: TrialStore) -> None:
    out = study.folder / "out"
    out.mkdir()
    (out / "index.html").symlink_to(study.folder / "somebody's/thesis.tex")
    (out / "tables").symlink_to(study.folder / "somebody's")
    done = study("report", "--out", "out")
    assert done.returncode == 2
    assert "lies behind the link 'tables', which is not followed" in done.stderr
    (out / "tables").unlink()
    assert study("report", "--out", "out").returncode == 0
    assert untouched(study)


def test_a_report_s_folder_that_is_a_link_is_not_written_to(study: Study, storage: TrialStore) -> None:
    (study.folder / "report").symlink_to(study.folder / "somebody's")
    done = study("report")
    assert done.returncode == 2
    assert "report is a link, which is not followed" in done.stderr
    assert untouched(study)


def compressed(state: bytes) -> bytes:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(state)) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return packed.getvalue()


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "compressed": lambda: compressed(saved({"model": torch.zeros(25_000_000)})),
    "stride": lambda: saved({"train_loss": torch.zeros(1).expand(10**12)}),
    "pipe": lambda: b"",
}


@pytest.mark.parametrize("attack", CHECKPOINTS)
def test_a_checkpoint_that_would_fill_the_memory_starts_the_trial_anew(
    study: Study, tiny_study: Path, attack: str
) -> None:
    store = TrialStore(study.folder / "results")
    for key in wanted_trials(study):
        state = CHECKPOINTS[attack]()
        store.files.write(f"trials/{key}/checkpoint.pt", hashlib.sha256(state).digest() + state)
        if attack == "pipe":
            path = study.folder / f"results/trials/{key}/checkpoint.pt"
            path.unlink()
            os.mkfifo(path)
    done = study("tune", "tiny_width.py", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("starts anew: ") == 2
