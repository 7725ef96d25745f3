"""What results show of themselves in a notebook: no markup of a storage, bounded, and for programs a DataFrame."""

from __future__ import annotations

import base64
import copy
import html.parser
import pickle
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
from storages import made_storage

from analysis import Results, load, notebook
from study.declare.claims import increasing

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
ACCURACY = {"12": (0.95, 0.96, 0.97), "25": (0.97, 0.98, 0.995), "100": (0.98, 0.99, None)}
CLAIMS = [increasing("test_accuracy", "Wider is better.")]


class Elements(html.parser.HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def drawings(page: str) -> list[ET.Element]:
    """The SVG files that a page holds, parsed."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    return [ET.fromstring(base64.b64decode(svg)) for svg in found]


def of_run(results: Results) -> str:
    return notebook.of_run(results, [*results.studies])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(made_storage(tmp_path_factory.mktemp("storage"), ACCURACY, claims=CLAIMS))


def test_a_run_shows_its_table_its_verdicts_and_its_curves(results: Results) -> None:
    page = of_run(results)
    assert "<h2>Figure 10: Width &amp; 50 %</h2>" in page
    assert "Does width matter?" in page
    assert "Pending: 1 of its trials" in page
    assert "<td>12</td><td>96.00 ± 2.48</td><td>3</td>" in page
    assert "± is half the 95 % interval of the mean over n seeds" in page
    assert "<b>undecided</b> Wider is better." in page
    assert "Compared is the slope over the arms" in page
    assert len(drawings(page)) == 1
    assert "Run it again" not in page


def test_a_storage_shows_each_study_as_a_report_does(results: Results) -> None:
    page = results._repr_html_()
    assert "difference from 12" in page
    assert "+2.17 [" in page
    assert len(drawings(page)) == 2
    assert "study tune search_spaces/width.py" in page
    assert repr(results) == "<Results, studies: 1, trials: 8, problems: 0>"


@pytest.mark.parametrize("studies", [1, notebook.MOST_WHOLE + 1])
def test_nothing_in_a_storage_becomes_markup(tmp_path: Path, studies: int) -> None:
    for number in range(studies):
        store = made_storage(
            tmp_path,
            {EVIL: (0.9, 0.91), "b": (0.9, 0.92)},
            claims=[increasing("test_accuracy", EVIL)],
            name=f"width_{number}",
            **dict.fromkeys(("title", "question", "varies", "source"), EVIL),
        )
    (tmp_path / "trials" / f"{EVIL.replace('/', '_')}").mkdir()
    (tmp_path / "trials" / f"{EVIL.replace('/', '_')}/result.json").write_text("{")
    results = load(store)
    assert results.problems
    for page in (results._repr_html_(), of_run(results)):
        elements = Elements(page).found
        assert "&lt;script&gt;" in page
        assert {tag for tag, _ in elements} <= {
            "div", "style", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "figure", "img", "ul", "li",
            "b", "span", "code",
        }  # fmt: skip
        names = {name for _, attributes in elements for name in attributes}
        assert names <= {"class", "scope", "alt", "width", "src"}
        sources = [attributes["src"] for tag, attributes in elements if tag == "img"]
        assert all((source or "").startswith("data:image/svg+xml;base64,") for source in sources)
        for svg in drawings(page):
            assert not [one.tag for one in svg.iter() if one.tag.endswith(("script", "foreignObject"))]


def test_a_study_without_a_finished_trial_has_no_figure(tmp_path: Path) -> None:
    results = load(made_storage(tmp_path, {"12": (None, None)}, claims=CLAIMS))
    for page in (results._repr_html_(), of_run(results)):
        assert "Pending: 2 of its trials are not finished yet." in page
        assert "<b>undecided</b>" in page
        assert "<img" not in page


def test_a_storage_without_a_study_says_so(tmp_path: Path) -> None:
    assert f"No study was run in {tmp_path} yet." in load(tmp_path)._repr_html_()


def test_many_studies_are_summed_up_in_one_table(tmp_path: Path) -> None:
    n = notebook.MOST_WHOLE + 1
    for number in range(n):
        store = made_storage(tmp_path, ACCURACY, claims=CLAIMS, name=f"width_{number}", figure=number)
    results = load(store)
    page = results._repr_html_()
    assert f"8 trials, 1 more pending. Of {n} claims, 0 reproduced, 0 contradicted and {n} undecided." in page
    assert page.count("<td>25</td><td>98.17 ± 3.13</td>") == n
    assert "<img" not in page
    one = re.search(r"The whole of one study: analysis\.load\((.*), \[(.*)\]\)", page)
    assert one is not None
    assert one[1] == f"&#39;{tmp_path}&#39;"
    assert one[2] == "&#39;width_1&#39;"
    run = of_run(results)
    assert len(drawings(run)) == notebook.MOST_WHOLE
    assert f"Shown: the first {notebook.MOST_WHOLE} of {n} studies." in run


def test_of_many_arms_the_first_are_shown(tmp_path: Path) -> None:
    results = load(made_storage(tmp_path, {str(arm): (0.9, 0.91) for arm in range(130)}))
    for page in (results._repr_html_(), of_run(results)):
        assert page.count("<tr>") == 1 + notebook.MOST_ROWS
        assert "Shown: the first 100 of 130 arms." in page


def test_the_frame_of_a_run_is_a_plain_one_in_all_that_is_made_of_it(tmp_path: Path) -> None:
    results = load(made_storage(tmp_path / "results", ACCURACY))
    plain = results.of("width")
    frame = notebook.RunFrame(plain, of_run(results))
    shutil.rmtree(tmp_path / "results")
    shown = frame._repr_html_()
    assert len(drawings(shown)) == 1
    assert isinstance(frame, pd.DataFrame)
    pd.testing.assert_frame_equal(pd.DataFrame(frame), plain)
    made = [frame.head(), frame[["arm"]], frame.copy(), copy.deepcopy(frame), pd.concat([frame, frame])]
    made += [frame[frame.seed == 0], frame.assign(x=1), frame.merge(plain, on="key"), frame.reset_index()]
    made += [pickle.loads(pickle.dumps(frame, protocol)) for protocol in (2, pickle.HIGHEST_PROTOCOL)]
    assert [type(one) for one in made] == [pd.DataFrame] * len(made)
    pd.testing.assert_frame_equal(made[-1], plain)
    assert frame.groupby("arm", sort=False).test_accuracy.mean().tolist() == pytest.approx(
        [0.96, 2.945 / 3, 0.985]
    )
