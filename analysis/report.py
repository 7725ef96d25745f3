"""The report of a storage, as far as its trials are finished: index.html, report.md, tables and figures.

    summary.csv, .md, .tex              all arms of all studies
    trials.csv, timings.csv             all trials, and how long each took
    tables/<study>.csv, .md, .tex       a study's table
    figures/<study>.svg, .png, .pdf     its curves
    figures/effects/<study>.svg, ...    its arms

In tables/ and figures/ files are called by studies alone, so that no study can have the name of another file.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from upath import UPath

from study.errors import StudyError
from study.paths import expanded
from study.store.files import Files
from study.store.trial_store import keys_of
from study.terminal import plain

from . import claims, comparison, figures, shown, tables
from .judging import Verdict
from .results import Results, metrics_of
from .words import explained

TEMPLATES = Path(__file__).with_name("templates")
FIGURE_KINDS = ("png", "svg", "pdf")
# How near a published value in % must be to count as about the same as ours, in percentage points.
MARGIN = 1.0
# What differs each time that the same trial is trained; all other tables are the same then.
DIFFERS = ["training_seconds", "rate", "started"]


@dataclass(frozen=True)
class Section:
    """What the report says of one study; `shown` is None while no trial of it is finished."""

    record: dict[str, Any]
    table: pd.DataFrame
    shown: pd.DataFrame | None
    notes: list[str]
    verdicts: list[Verdict]
    figures: dict[str, str]
    pending: int
    command: str

    @property
    def name(self) -> str:
        """The study's name, by which its files are called."""
        return str(self.record["name"])

    @property
    def heading(self) -> str:
        """`Figure 10: Network Width`."""
        number = "" if self.record["figure"] is None else f"Figure {self.record['figure']}: "
        return f"{number}{self.record['title']}"


def write(results: Results, out: Path, studies: Iterable[str] | None = None) -> Path:
    """Write the report of these studies (all of the storage, in the order of their figures) into `out`.

    Gives the path of index.html, which is one self-contained file.
    """
    out = expanded(out)
    records = [results.studies[name] for name in (results.studies if studies is None else studies)]
    records.sort(key=lambda record: (record["figure"] or 10**6, record["name"]))
    if out.is_symlink():
        raise StudyError(
            f"{out} is a link, which is not followed.", f"Give its target: --out {out.resolve()}"
        )
    out.mkdir(parents=True, exist_ok=True)
    files = Files(UPath(out.absolute()))
    files.remove_temporary("tables")
    sections = [_section(results, record, files) for record in records]
    whole = pd.concat(
        [section.table.assign(study=section.name, figure=section.record["figure"]) for section in sections],
        ignore_index=True,
    )
    _save_table(whole, _summary_table(sections), files, "summary")
    trials = results.trials.sort_values("key")
    files.write("trials.csv", tables.csv(trials.drop(columns=DIFFERS)))
    files.write("timings.csv", tables.csv(trials[["key", *DIFFERS]]))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": tables.in_markdown, "code": tables.code_in_markdown, "explained": explained}
    said = {
        "sections": sections,
        "summary": _summary(results, sections),
        "summary_table": _summary_table(sections),
        "made_with": _made_with(results.trials),
        "problems": list(dict.fromkeys(map(plain, results.problems))),  # they name files, however called
        "markdown": tables.markdown,
    }
    for template, path in (("report.html", "index.html"), ("report.md", "report.md")):
        files.write(path, environment.get_template(template).render(said).encode())
    return out / "index.html"


def _section(results: Results, record: dict[str, Any], files: Files) -> Section:
    name = record["name"]
    table = tables.arm_table(results, name)
    differences = comparison.from_reference(results, name)
    pending = int(table.pending.sum())
    full = table.merge(differences, on="arm")
    verdicts = claims.verdicts(results, name)
    command = again(record)
    if not table.n.any() and not table.diverged.any():
        return Section(record, full, None, [], verdicts, {}, pending, command)
    reported = shown.as_reported(table, differences, record)
    _save_table(full, reported, files, f"tables/{name}")
    drawn = {
        f"figures/{name}": figures.draw_training_curves(results, name),
        f"figures/effects/{name}": figures.draw_effects(results, name),
    }
    inline = {}
    for path, figure in drawn.items():
        made = figures.save(figure, files, path, FIGURE_KINDS)
        inline[path] = _inline(made["svg"].decode())
    notes = [*shown.notes(table, record), *shown.other_data(record)]
    return Section(record, full, reported, notes, verdicts, inline, pending, command)


def again(record: Mapping[str, Any]) -> str:
    """What runs a study again: a command; of one that comes from no file, a call."""
    seeds, overrides = record["seeds"], record["overrides"]
    # Seeds that were added where something was undecided differ from arm to arm.
    same = len({len(candidate["keys"]) for arm in record["arms"] for candidate in arm["candidates"]}) == 1
    if record["source"]:
        how = ["--seeds", str(seeds)] if same else ["--until-decided", "--max-seeds", str(seeds)]
        changed = [word for key, value in overrides.items() for word in ("--set", _setting(key, value))]
        return shlex.join(["study", "tune", record["source"], *how, *changed])
    how = [f"seeds={seeds}"] if same else ["until_decided=True", f"max_seeds={seeds}"]
    changed = [f"overrides={overrides!r}"] if overrides else []
    return f"study.run({', '.join(['STUDY', *how, *changed])})"


def _setting(key: str, value: Any) -> str:
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def _save_table(full: pd.DataFrame, text: pd.DataFrame, files: Files, path: str) -> None:
    """A table with all its digits, and as it is shown in two languages."""
    files.write(f"{path}.csv", tables.csv(full))
    files.write(f"{path}.md", (tables.markdown(text) + "\n").encode())
    files.write(f"{path}.tex", tables.latex(text).encode())


def _inline(svg: str) -> str:
    """An SVG file as an element of a page, as wide as there is room."""
    element = svg[svg.index("<svg") :]
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" width="100%"', element, count=1).replace(
        ' height="', ' data-height="', 1
    )


def _summary(results: Results, sections: list[Section]) -> dict[str, Any]:
    """How many published values and claims hold, and how much is still to be trained.

    Published values are counted where they are in % and for the data that ours are for: one margin says nothing of
    other units.
    """
    counted = [
        section.table.published_minus_ours
        for section in sections
        if metrics_of(section.record)[0].unit == "%" and not shown.other_data(section.record)
    ]
    away = pd.concat(counted or [pd.Series(dtype=float)]).dropna().abs()
    keys = {key for section in sections for key in keys_of(section.record)}
    return {
        "trials": len(results.trials),
        "pending": len(keys - set(results.trials.key)),
        "published": len(away),
        "within_margin": int((away <= MARGIN).sum()),
        "margin": MARGIN,
        "verdicts": Counter(found.verdict for section in sections for found in section.verdicts),
        "claims": sum(len(section.verdicts) for section in sections),
    }


def _summary_table(sections: list[Section]) -> pd.DataFrame:
    """All arms of all studies as text: the table of the whole report, by each study's first metric.

    Where studies have other first metrics, a column names them.
    """
    titles = {metrics_of(section.record)[0].title for section in sections}
    parts = [_summarized(section, one_metric=len(titles) == 1) for section in sections]
    return pd.concat(parts, ignore_index=True).fillna("")


def _summarized(section: Section, one_metric: bool) -> pd.DataFrame:
    table, metric = section.table, metrics_of(section.record)[0]
    digits, others = shown.digits_of_metric(table, metric), len(table) - 1
    columns = {"study": [section.record["title"], *[""] * others], "arm": table.arm}
    if not one_metric:
        columns["metric"] = [metric.title, *[""] * others]
    columns |= {
        metric.title if one_metric else "mean": [
            text or "pending" for text in shown.with_intervals(table, metric)
        ],
        "n": table.n.astype(str),
        shown.published_title(metric) if one_metric else "published": digits.texts(table.published),
        "published − ours": digits.texts(table.published_minus_ours, sign=True),
    }
    return pd.DataFrame(columns)


def _made_with(trials: pd.DataFrame) -> list[str]:
    """Trainings, hardware and versions of the trials, a line each, with the number of trials where they differ."""
    lines = []
    for name in ("training", "device", "cpu", "torch", "ray", "python"):
        counts = trials[name].dropna().value_counts()
        if len(counts):
            each = [f"{value} ({n} trials)" for value, n in counts.items()]
            lines.append(f"{name}: {', '.join(each) if len(counts) > 1 else counts.index[0]}")
    seconds = trials.training_seconds.dropna()
    if len(seconds):
        lines.append(f"time: {seconds.sum():,.0f} s of training in {len(seconds)} trials")
    return lines
