"""The network-width study under `study` and under what people use today: the same work, side by side.

    python benchmarks/compare.py            # all 60,000 images, three repetitions; one took 33 minutes
    python benchmarks/compare.py --quick    # 6,000 images, one repetition

First each peer's best settings are found with few images. Then everything takes turns, since machines drift,
together with torch.mm, whose rate is the limit. Writes peers.csv and peers.png.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ways import ARMS, CORES, HERE, Way, candidates, first_images, images_in

from study.declare.data import default_folder
from study.images import data
from study.images.cost import CPU_INFO, has_bfloat16

TUNING_IMAGES = 6_000


def limits(folder: Path, seconds: float, precisions: list[str]) -> dict[str, Any]:
    """The machine's matrix rates now in these precisions, and the FLOPs of this work."""
    counts = ["--images", str(images_in(folder)), "--tested", str(images_in(folder, "t10k"))]
    words = [sys.executable, str(HERE / "matmul.py"), "--seconds", str(seconds), *counts]
    words += ["--precisions", *precisions]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return found


def row(way: Way, folder: Path, seeds: int, limit: dict[str, Any]) -> dict[str, Any]:
    """One measurement. `of_...` is the rate while training over that of torch.mm on the same cores.

    `training_seconds_of_cores` is what the wall time would be if all cores trained all the time.
    """
    measured, trials = way.measured(folder, seeds)
    flops = sum(limit["flops"][f"{trial['width']:g}"] for trial in trials)
    core_seconds = sum(trial["seconds"] * trial["threads"] for trial in trials)
    rates = limit["rates"][way.precision]
    accuracies: dict[float, list[float]] = {}
    for trial in sorted(trials, key=lambda trial: trial["width"]):
        accuracies.setdefault(trial["width"], []).append(trial["accuracy"])
    return {
        "tool": way.tool,
        "precision": way.precision,
        "settings": " ".join(f"{name}={value:g}" for name, value in way.settings.items()),
        "images": images_in(folder),
        "trials": len(trials),
        "wall_seconds": measured.seconds,
        "images_per_second": images_in(folder) * len(trials) / measured.seconds,
        "training_seconds_of_cores": core_seconds / CORES,
        "cpu_seconds": measured.cpu_seconds,
        "peak_mib": measured.peak_bytes / 2**20,
        "of_mm_as_in_training": flops / core_seconds * CORES / rates["as in training"],
        "of_mm_square": flops / core_seconds * CORES / rates["square"],
        **{f"accuracy_{arm:g}": statistics.mean(values) for arm, values in accuracies.items()},
    }


def best_settings(folder: Path, gpus: int, limit: dict[str, Any]) -> tuple[list[Way], list[dict[str, Any]]]:
    """The fastest setting of each peer with few images, and all that were tried."""
    tried: dict[str, list[tuple[float, Way]]] = {}
    rows = []
    for way in candidates(gpus):
        rows.append({"phase": "settings", **row(way, folder, 1, limit)})
        tried.setdefault(way.tool, []).append((rows[-1]["wall_seconds"], way))
        say(f"  {way.tool:<13} {rows[-1]['settings']:<28} {rows[-1]['wall_seconds']:7.1f} s")
    return [min(ways, key=lambda pair: pair[0])[1] for ways in tried.values()], rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Medians over the repetitions, one line a way, with the ratio of wall times to `study` in float32."""
    keys = ["tool", "precision"]
    medians = rows.groupby(keys, sort=False).median(numeric_only=True)
    ratio = rows.wall_seconds / rows.repetition.map(
        rows[(rows.tool == "study") & (rows.precision == "float32")].set_index("repetition").wall_seconds
    )
    medians.insert(1, "wall_to_study", ratio.groupby([rows.tool, rows.precision], sort=False).median())
    medians.insert(0, "settings", rows.groupby(keys, sort=False).settings.first())
    return medians.drop(columns=["repetition", "images", "trials"]).sort_values("wall_seconds").reset_index()


def figure(rows: pd.DataFrame, path: Path) -> None:
    """Wall time of each way, a bar for the median and a dot for every repetition."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    names = rows.tool + ", " + rows.precision
    medians = rows.wall_seconds.groupby(names).median().sort_values(ascending=False)
    _, axes = pyplot.subplots(figsize=(7, 0.5 * len(medians) + 1), layout="constrained")
    axes.barh(
        medians.index, medians, color=["C0" if name.startswith("study") else "0.75" for name in medians.index]
    )
    axes.plot(rows.wall_seconds, names, "k.", markersize=5)
    axes.set_xlabel("seconds from the start of the process to its end")
    pyplot.savefig(path, dpi=120)


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the table, write peers.csv and peers.png."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="fewer images, one repetition")
    words.add_argument("--images", type=int, help="train on the first of them")
    words.add_argument("--repetitions", type=int)
    words.add_argument("--float32", action="store_true", help="leave bfloat16 out")
    words.add_argument("--untuned", action="store_true", help="peers with the first settings that come")
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--data", type=Path, default=default_folder(), help="folder that has MNIST/raw")
    words.add_argument("--out", type=Path, default=Path("build/bench"))
    given = words.parse_args()
    repetitions = given.repetitions or (1 if given.quick else 3)
    images = given.images or (TUNING_IMAGES if given.quick else None)
    data.fingerprint("mnist", given.data)  # downloads what is missing
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        whole = given.data.absolute()
        small = first_images(whole, min(images or TUNING_IMAGES, TUNING_IMAGES), Path(temporary, "small"))
        folder = first_images(whole, images, Path(temporary, "first")) if images else whole
        precisions = ["float32"]
        if not given.float32 and (torch.cuda.is_available() or has_bfloat16(CPU_INFO)):
            precisions.append("bfloat16")
        elif not given.float32:
            say("bfloat16 is left out: this processor has no instructions for it.")
        limit = limits(small, 1.0, precisions)
        rows: list[dict[str, Any]] = []
        if given.untuned:
            peers = [*{way.tool: way for way in reversed([*candidates(limit["gpus"])])}.values()]
        else:
            say("Settings, tried with few images:")
            peers, rows = best_settings(small, limit["gpus"], limit)
        ways = [Way("study"), *peers]
        squares = {precision: rates["square"] for precision, rates in limit["rates"].items()}
        if squares.get("bfloat16", 0.0) > squares["float32"]:
            ways += [Way("study", "bfloat16"), *(Way(way.tool, "bfloat16", way.settings) for way in peers)]
        elif "bfloat16" in squares:
            say("bfloat16 is left out: this processor multiplies matrices in it no faster than in float32.")
        for repetition in range(repetitions):
            limit = limits(folder, 3.0, precisions)
            turn = repetition % len(ways)
            for way in ways[turn:] + ways[:turn]:
                measured = row(way, folder, given.seeds, limit)
                gflops = limit["rates"][way.precision]["square"] / 1e9
                rows.append({"phase": "compared", "repetition": repetition, "mm_gflops": gflops, **measured})
                say(f"{repetition + 1}/{repetitions}  {way!s:<24} {measured['wall_seconds']:7.1f} s")
                pd.DataFrame(rows).to_csv(given.out / "peers.csv", index=False)
    table = pd.DataFrame(rows)
    compared = table[table.phase == "compared"].dropna(axis="columns", how="all")
    figure(compared, given.out / "peers.png")
    print(
        f"{ARMS} arms x {given.seeds} seeds, {images or images_in(given.data):,} images, "
        f"{repetitions} repetitions; {CORES} cores, {platform.processor() or platform.machine()}, "
        f"{limit['gpus']} GPUs; "
        + ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "optuna"))
    )
    for precision, rates in limit["rates"].items():
        reached = ", ".join(f"{of / 1e9:,.0f} GFLOP/s {kind}" for kind, of in rates.items())
        print(f"torch.mm, {precision}: {reached}")
    print(f"{sum(limit['flops'].values()) / 1e12:,.2f} TFLOP of training and testing a seed")
    print(summary(compared).to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    main()
