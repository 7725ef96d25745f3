"""The page of studies that search, or tune their arms by a sampler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from searching import bowl, tuned
from serving import Served, served

import study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    for file in (bowl(folder), tuned(folder)):
        study.run(file, storage=folder / "results", in_process=True, progress=False)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Served]:
    with served(folder) as page:
        page.wait_for("/study/bowl", "What the best points came to")
        page.wait_for("/study/tuned", "lr=")
        yield page


def test_a_search_is_shown_with_what_it_found_and_how_much_was_luck(page: Served) -> None:
    shown = page.ask("/study/bowl").text
    assert "14 of 14 trials were suggested by tpe." in shown
    assert "seeds that took no part in it" in shown
    assert "were luck" in shown
    assert all(f">{arm}</" in shown for arm in ("baseline", "best", "2nd best"))
    assert "The best point that was found is better than the baseline." in shown


def test_its_figures_are_drawn_and_sent(page: Served) -> None:
    best = page.ask("/study/bowl/best.json").json
    (line,) = [one for one in best["data"] if "lines" in one["mode"]]
    assert len(line["y"]) == 14
    assert sorted(line["y"], reverse=True) == line["y"]
    for figure in ("search", "points", "parallel"):
        for kind, begins in (("svg", "<?xml"), ("png", "\ufffdPNG"), ("pdf", "%PDF")):
            assert page.ask(f"/study/bowl/{figure}.{kind}").text.startswith(begins)
    assert page.ask("/study/tuned/search.png").status == 404


def test_arms_that_a_sampler_tuned_are_shown_with_what_it_found(page: Served) -> None:
    shown = page.ask("/study/tuned").text
    assert "22/22" in shown
    assert shown.count("lr=0.") >= 2
    assert "b is worse than a." in shown
    assert "Search</h2>" not in shown
    assert "a point 3" in page.ask("/study/tuned?of=a point 3".replace(" ", "%20")).text
