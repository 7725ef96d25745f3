"""The report: whole, self-contained, right in a browser and in LaTeX, possible while trials still run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.stats
from conftest import Study, wait_until
from selenium import webdriver
from selenium.webdriver.common.by import By
from storages import made_storage

from analysis import load
from analysis.pages import data
from analysis.report import write
from analysis.series import by_trial
from study.declare.claims import about_published, increasing

ACCURACY = {"12 & more": (0.95, 0.96, 0.97), "25_%": (0.97, 0.98, 0.995), "100": (0.98, 0.99, None)}
CLAIMS = [
    increasing("test_accuracy", "Wider is <better>."),
    about_published("About 95.17.", "12 & more", margin=1),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    published = {"12 & more": {"test_accuracy": 95.17}}
    store = made_storage(folder / "results", ACCURACY, claims=CLAIMS, published=published)
    (store.root / "trials/damaged").mkdir()
    (store.root / "trials/damaged/result.json").write_text("{")
    return write(load(store), folder / "out").parent


def test_a_report_is_a_page_a_text_tables_and_figures(out: Path) -> None:
    files = {str(path.relative_to(out)) for path in out.rglob("*.*")}
    tables = {f"{path}.{kind}" for path in ("tables/width", "summary") for kind in ("csv", "md", "tex")}
    paths = ("figures/width", "figures/effects/width")
    figures = {f"{path}.{kind}" for path in paths for kind in ("png", "svg", "pdf")}
    assert files == {"index.html", "report.md", "trials.csv", "timings.csv"} | tables | figures


def test_the_page_is_one_self_contained_file(out: Path) -> None:
    page = (out / "index.html").read_text()
    assert "Wider is &lt;better&gt;." in page
    scripts = re.findall(r"<script( type=[\w\"/]+)?>(.*?)</script>", page, re.DOTALL)
    assert [kind.strip() for kind, _ in scripts] == ['type="application/json"', "", 'type="module"']
    ours = [hashlib.sha256(text.encode()).digest() for kind, text in scripts if "json" not in kind]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in ours)
    assert (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}\""
        in html.unescape(page)
    )
    plot = json.loads(scripts[0][1])
    assert {line["name"] for line in plot["data"]} == {"12 &amp; more", "25_%", "100"}
    # plotly.js names addresses that it does not ask.
    page = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert len(re.findall(r"<svg", page)) == 2
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    without_names = re.sub(r"<metadata>.*?</metadata>", "", without_names, flags=re.DOTALL)
    assert not re.findall(r"(?:https?:)?//[a-z]", without_names)
    assert not re.findall(r"<link[^>]*stylesheet", page)


def test_a_page_may_be_as_it_is_on_paper(study: Study) -> None:
    made_storage(study.folder / "results", {"12": (0.95, 0.96), "25": (0.96, 0.97)})
    done = study("report", "--static")
    assert (done.returncode, done.stdout) == (0, "report/index.html\n")
    assert re.fullmatch(r"one file of 0\.\d MB\n", done.stderr)
    page = (study.folder / "report/index.html").read_text()
    assert "<script" not in page
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in page
    many = {str(arm): (0.9,) for arm in range(13)}
    store = made_storage(study.folder / "many", many, title="</script><script>alert(1)")
    page = write(load(store), study.folder / "many").read_text()
    assert 'type="application/json"' not in page  # a plot shows fewer arms than paper does
    assert "<script>alert" not in page


@pytest.mark.parametrize("name", ["index.html", "report.md"])
def test_what_is_pending_or_damaged_is_said(out: Path, name: str) -> None:
    text = re.sub("</?b>", "", (out / name).read_text())
    assert "8 trials, 1 more pending" in text
    assert "Of 1 published value in %, 1 lies within 1 point of ours." in text
    assert "Pending: 1 of its trials" in text
    assert "trials/damaged/result.json" in text
    assert "study tune search_spaces/width.py --seeds 3 --set epochs=1" in text


def test_a_study_without_a_finished_trial_is_pending(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"12": (None, None)}, claims=CLAIMS[:1])
    page = write(load(store), tmp_path / "out").read_text()
    assert "Pending: 2 of its trials are not finished yet." in page
    assert "1 undecided" in page


def test_values_published_for_other_data_are_not_counted(tmp_path: Path) -> None:
    published = {"12": {"test_accuracy": 95.17}}
    store = made_storage(
        tmp_path / "results", {"12": (0.95, 0.96)}, published=published, data={"dataset": "digits"}
    )
    page = write(load(store), tmp_path / "out").read_text()
    assert "The published values are for mnist, ours here for digits." in page
    assert not re.search(r"Of \d+ published value", page)


def test_the_page_says_what_claims_are_about_and_what_the_results_were_made_with(out: Path) -> None:
    page = (out / "index.html").read_text()
    assert (
        "increasing, top-1 test accuracy, %: rises: 1.50 points a step (n = 2; 3 seeds were planned" in page
    )
    assert "25_% − 12 &amp; more: 2.17 [" in page
    assert "] points (n = 3)" in page
    for line in ("training: Images", "torch: 2.14.1", "device: cpu", "time: 12 s of training in 8 trials"):
        assert f"<li>{line}</li>" in page


def test_numbers_in_tables_agree_with_the_files_recomputed(out: Path) -> None:
    table = pd.read_csv(out / "tables/width.csv").set_index("arm")
    trials = out.parent / "results/trials"
    for arm, accuracies in ACCURACY.items():
        folders = [trials / f"{arm}-{seed}" for seed, one in enumerate(accuracies) if one is not None]
        results = [json.loads((folder / "result.json").read_text()) for folder in folders]
        last = np.array([result["metrics"]["test_accuracy"] for result in results]) * 100
        low, high = scipy.stats.t.interval(0.95, len(last) - 1, last.mean(), scipy.stats.sem(last))
        assert table.test_accuracy[arm] == pytest.approx(last.mean())
        assert table.test_accuracy_half_width[arm] == pytest.approx((high - low) / 2)
        assert table.test_top5[arm] == pytest.approx(99.9)
    first, second = (np.array(ACCURACY[arm][:3], float) * 100 for arm in ("12 & more", "25_%"))
    independent = scipy.stats.ttest_rel(second, first)
    assert table.difference["25_%"] == pytest.approx((second - first).mean())
    assert table.p["25_%"] == pytest.approx(independent.pvalue)
    curves = by_trial(load(out.parent / "results").curves(["25_%-1"]), "train_accuracy")
    raw = pq.read_table(trials / "25_%-1/curve.parquet").column("train_accuracy").to_numpy()
    _, values = curves["25_%-1"]
    assert values.tolist() == raw.astype(float).tolist()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX")
@pytest.mark.parametrize("table", ["tables/width", "summary"])
def test_latex_tables_compile_as_they_are(out: Path, tmp_path: Path, table: str) -> None:
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
        f"\\input{{{out / table}}}\\end{{document}}"
    )
    (tmp_path / "document.tex").write_text(document)
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "document.pdf").read_bytes().startswith(b"%PDF")


@pytest.fixture
def may_run_scripts(browser: webdriver.Chrome) -> Iterator[None]:
    """Afterwards, whatever happened."""
    yield
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_nothing_ends_a_script_that_holds_data() -> None:
    held = {"name": "</script><script>alert(1)</script><!--"}
    assert "<" not in data(held)
    assert json.loads(data(held)) == held


@pytest.mark.usefixtures("may_run_scripts")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_is_right_in_a_browser(
    out: Path, browser: webdriver.Chrome, width: int, scheme: str, scripts: bool
) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    browser.get((out / "index.html").as_uri())
    assert browser.execute_script("return innerWidth") == width
    if scripts:
        browser.execute_script("document.querySelector('figure').scrollIntoView()")
        wait_until(lambda: bool(browser.find_elements(By.CSS_SELECTOR, ".plot .xtick")), "the plot")
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    if width == 1200:
        tables = "return [...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)"
        assert browser.execute_script(tables)
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    drawings = browser.find_elements(By.CSS_SELECTOR, "figure > svg")
    assert [svg.is_displayed() for svg in drawings] == [not scripts, True]
    shown = browser.find_elements(By.CSS_SELECTOR, "figure > :is(svg, .plot)")
    assert all(
        100 < one.size["width"] < width and one.size["height"] > 100 for one in shown if one.is_displayed()
    )


def test_report_and_compare_from_the_command_line(study: Study, out: Path) -> None:
    made_storage(study.folder / "a", {"12": (0.95, 0.96, 0.97), "25": (0.96, 0.97, 0.98)})
    made_storage(study.folder / "b", {"12": (0.96, 0.98, 0.99), "50": (0.9,)})
    done = study("report", "--storage", "a", "--out", "page")
    assert (done.returncode, done.stdout) == (0, "page/index.html\n")
    rows = json.loads(study("compare", "a", "b", "--json").stdout)[0]["arms"]
    assert [row["arm"] for row in rows] == ["12"]
    assert rows[0]["difference"] == pytest.approx(5 / 3)
    assert rows[0]["pairs"] == 3
    shown = study("compare", "a", "b")
    assert "+1.67 [−1.02, 4.36]" in shown.stdout
    made_storage(study.folder / "c", {"12": (None, None, None, 0.96), "25": (0.96, 0.97, "diverged")})
    apart = study("compare", "a", "c")
    assert "No seed to pair, finished in both and without a diverged one: 12, 25." in apart.stdout
    nothing = study("compare", "width", "depth", "--storage", "a")
    assert nothing.returncode == 2
    assert "No study 'depth' was run" in nothing.stderr
    words = [sys.executable, "-m", "analysis", str(study.folder / "a"), "--out", str(study.folder / "other")]
    subprocess.run(words, check=True, capture_output=True)
    assert (study.folder / "other/report.md").read_text() == (study.folder / "page/report.md").read_text()
