"""The report of a storage: index.html, report.md, tables/ and figures/, as far as its trials are finished."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from upath import UPath

from analysis import claims, comparison, figures, tables
from analysis.results import Results
from study.errors import StudyError
from study.store.files import Files
from study.store.trial_store import keys_of
from study.terminal import plain

TEMPLATES = Path(__file__).with_name("templates")
FIGURE_KINDS = ("png", "svg", "pdf")
# The report's own margin for two accuracies that are about the same, in percentage points.
MARGIN = 1.0
# What differs each time that the same trial is trained; all other tables are the same then.
DIFFERS = ["training_seconds", "images_per_second", "started"]


@dataclass(frozen=True)
class Section:
    """What the report says of one study; `shown` is None while no trial of it is finished."""

    record: dict[str, Any]
    table: pd.DataFrame
    shown: pd.DataFrame | None
    notes: list[str]
    verdicts: list[claims.Verdict]
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
    records = [results.studies[name] for name in (results.studies if studies is None else studies)]
    records.sort(key=lambda record: (record["figure"] or 10**6, record["name"]))
    if out.is_symlink():
        raise StudyError(
            f"{out} is a link, which is not followed.", f"Give its target: --out {out.resolve()}"
        )
    out.mkdir(parents=True, exist_ok=True)
    files = Files(UPath(out.absolute()))
    sections = [_section(results, record, files) for record in records]
    whole = pd.concat(
        [of.table.assign(study=of.name, figure=of.record["figure"]) for of in sections], ignore_index=True
    )
    _save_table(whole, _summary_table(sections), files, "report")
    trials = results.trials.sort_values("key")
    files.write("tables/trials.csv", tables.csv(trials.drop(columns=DIFFERS)))
    files.write("tables/timings.csv", tables.csv(trials[["key", *DIFFERS]]))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": tables.in_markdown, "code": tables.code_in_markdown}
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
    full = table.merge(differences.drop(columns="half_width"), on="arm").assign(
        difference_half_width=differences.half_width
    )
    verdicts = claims.verdicts(results, name)
    command = shlex.join(
        ["study", "tune", record["source"], "--seeds", str(record["seeds"])]
        + [word for key, value in record["overrides"].items() for word in ("--set", _setting(key, value))]
    )
    if not table.n.any() and not table.diverged.any():
        return Section(record, full, None, [], verdicts, {}, pending, command)
    varies = record["varies"].replace("_", " ")
    shown = tables.as_reported(table, differences, varies, record["reference"])
    _save_table(full, shown, files, name)
    drawn = {
        name: figures.draw_training_curves(results, name),
        f"{name}-effect": figures.draw_effects(results, name),
    }
    inline = {}
    for stem, figure in drawn.items():
        made = figures.save(figure, files, f"figures/{stem}", FIGURE_KINDS)
        inline[stem] = _inline(made["svg"].decode())
    notes = [*tables.notes(table), *tables.other_data(record)]
    return Section(record, full, shown, notes, verdicts, inline, pending, command)


def _setting(key: str, value: Any) -> str:
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def _save_table(full: pd.DataFrame, shown: pd.DataFrame, files: Files, name: str) -> None:
    """A table with all its digits, and as it is shown in two languages."""
    files.remove_temporary("tables")
    files.write(f"tables/{name}.csv", tables.csv(full))
    files.write(f"tables/{name}.md", (tables.markdown(shown) + "\n").encode())
    files.write(f"tables/{name}.tex", tables.latex(shown).encode())


def _inline(svg: str) -> str:
    """An SVG file as an element of a page, as wide as there is room."""
    element = svg[svg.index("<svg") :]
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" width="100%"', element, count=1).replace(
        ' height="', ' data-height="', 1
    )


def _summary(results: Results, sections: list[Section]) -> dict[str, Any]:
    """How many published values and claims hold, and how much is still to be trained."""
    comparable = [of.table for of in sections if not tables.other_data(of.record)]
    away = (
        pd.concat([of.published_minus_ours for of in comparable] or [pd.Series(dtype=float)]).dropna().abs()
    )
    return {
        "trials": len(results.trials),
        "pending": len({key for of in sections for key in keys_of(of.record)} - set(results.trials.key)),
        "published": len(away),
        "within_margin": int((away <= MARGIN).sum()),
        "margin": MARGIN,
        "verdicts": Counter(found.verdict for of in sections for found in of.verdicts),
        "claims": sum(len(of.verdicts) for of in sections),
    }


def _summary_table(sections: list[Section]) -> pd.DataFrame:
    """All arms of all studies as text: the table of the whole report."""
    table = pd.concat([of.table.assign(study=of.record["title"]) for of in sections], ignore_index=True)
    shown = pd.DataFrame({"study": table.study.mask(table.study.duplicated(), ""), "arm": table.arm})
    shown["top-1 test accuracy, %"] = [
        tables.with_interval(mean, half_width) or "pending"
        for mean, half_width in zip(table.test_accuracy, table.half_width, strict=True)
    ]
    shown["n"] = table.n.astype(str)
    shown["published, %"] = tables.numbers(table.published, 2)
    shown["published − ours"] = tables.signed(table.published_minus_ours)
    return shown


def _made_with(trials: pd.DataFrame) -> list[str]:
    """Hardware and versions of the trials, a line each, with the number of trials where they differ."""
    lines = []
    for name in ("device", "cpu", "precision", "torch", "ray", "python"):
        counts = trials[name].dropna().value_counts()
        if len(counts):
            each = [f"{value} ({n} trials)" for value, n in counts.items()]
            lines.append(f"{name}: {', '.join(each) if len(counts) > 1 else counts.index[0]}")
    seconds = trials.training_seconds.dropna()
    if len(seconds):
        lines.append(f"training: {seconds.sum():,.0f} s in {len(seconds)} trials")
    return lines
