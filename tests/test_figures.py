"""Figures stay legible with many arms, long labels and none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from storages import made_storage

from analysis.figures import draw_effects, draw_training_curves
from analysis.own_matplotlib import Figure
from analysis.results import Results, load

LONG = "a label of very many words " * 5


def study_of(folder: Path, arms: Sequence[str]) -> Results:
    accuracy = {arm: [0.9 + place / 1000, 0.91 + place / 1000] for place, arm in enumerate(arms)}
    return load(made_storage(folder, accuracy, published={arms[0]: {"test_accuracy": 95.0}}))


def boxes_of_words(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Where each label of an axis, a legend or a bar lies in the figure that is drawn: x0, y0, x1, y1."""
    figure.canvas.draw()
    axes = figure.axes[0]
    words = [axes.xaxis.label, axes.yaxis.label, axes.title]
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        words += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    words += [text for legend in figure.legends for text in legend.get_texts()]
    words += [figure._supxlabel] if getattr(figure, "_supxlabel", None) else []
    words += [text for other in figure.axes[1:] for text in other.get_yticklabels()]
    return [
        (text.get_text(), np.array(text.get_window_extent().extents)) for text in words if text.get_text()
    ]


def overlapping(boxes: Sequence[tuple[str, np.ndarray]]) -> list[tuple[str, str]]:
    return [
        (one, other)
        for place, (one, a) in enumerate(boxes)
        for other, b in boxes[:place]
        if (a[:2] + 1 < b[2:] - 1).all() and (b[:2] + 1 < a[2:] - 1).all()
    ]


@pytest.mark.parametrize(
    "arms",
    [
        ["12", "25", "50", "100"],
        [f"lr={0.001 * place:.3f}" for place in range(1, 15)],
        [str(place) for place in range(120)],
        ["short", LONG, ""],
    ],
    ids=["few", "a dozen", "many", "long"],
)
def test_no_word_lies_on_another(tmp_path: Path, arms: list[str]) -> None:
    results = study_of(tmp_path, arms)
    for draw in (draw_training_curves, draw_effects):
        boxes = boxes_of_words(draw(results, "width"))
        assert overlapping(boxes) == []
        assert max(len(text) for text, _ in boxes if "Line:" not in text and "Dots:" not in text) <= 60


def test_few_arms_have_their_legend_among_the_curves_and_more_beside(tmp_path: Path) -> None:
    few = draw_training_curves(study_of(tmp_path / "few", ["a", "b"]), "width")
    assert [text.get_text() for text in few.axes[0].get_legend().get_texts()] == ["a", "b"]
    some = draw_training_curves(study_of(tmp_path / "some", ["short", LONG, ""]), "width")
    assert some.axes[0].get_legend() is None
    labels = [text.get_text() for text in some.legends[0].get_texts()]
    assert labels == ["short", f"{LONG[:39]}…", '""']


def test_more_arms_than_lines_can_tell_apart_have_a_colour_map(tmp_path: Path) -> None:
    figure = draw_training_curves(study_of(tmp_path, [str(place) for place in range(60)]), "width")
    axes, bar = figure.axes
    assert len({line.get_color() for line in axes.lines}) == 60
    assert not figure.legends
    named = [text.get_text() for text in bar.get_yticklabels()]
    assert (named[0], named[-1]) == ("0", "59")
    assert len(named) <= 10
