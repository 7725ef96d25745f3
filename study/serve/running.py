"""What the page of what runs now shows: trials, and what is in use of their machines."""

from __future__ import annotations

from typing import Any

from study.analysis import interactive
from study.serve.following import Following

# What is shown of a machine: what is in use, and of how much.
IN_USE = {
    "cores": ("busy", "cores"),
    "memory": ("memory_used", "memory"),
    "GPU memory": ("gpu_memory_used", "gpu_memory"),
}


def trials(following: Following) -> list[dict[str, Any]]:
    """What runs now: a row of each running trial, by node."""
    now = following.now
    rows = [
        {**trial, "study": name, "said": now.running[trial["key"]]}
        for name, row in now.rows.items()
        for trial in row["now"]
        if trial["key"] in now.running
    ]
    return sorted(rows, key=lambda row: (row["node"], row["study"], row["arm"], row["seed"]))


def machines(following: Following) -> list[dict[str, str]]:
    """A row of each machine on which a trial runs or ran while it was followed, as it was last."""
    rows = []
    for node, course in sorted(following.machines.items()):
        if not course:
            continue
        use = course[-1][1]
        row = {
            "node": node,
            "cores": f"{use['busy']:.1f} of {use['cores']:.0f}",
            "memory": _of_gigabytes(use["memory_used"], use["memory"]),
            "gpu": "",
        }
        if use.get("gpu_memory"):
            busy = "" if use.get("gpu_busy") is None else f"{use['gpu_busy']:.0%} busy, "
            row["gpu"] = busy + _of_gigabytes(use["gpu_memory_used"], use["gpu_memory"])
        rows.append(row)
    return rows


def _of_gigabytes(used: float, whole: float) -> str:
    return f"{used / 1e9:.1f} of {whole / 1e9:.1f} GB"


def use_over_time(following: Following) -> dict[str, Any]:
    """A figure of what was in use of each machine, in % of what it has, since it is followed."""
    data = []
    for node, course in sorted(following.machines.items()):
        for place, (part, (used, whole)) in enumerate(IN_USE.items()):
            known = [(at, use) for at, use in [*course] if use.get(whole)]
            if known:
                shares = [round(100 * use[used] / use[whole], 1) for _, use in known]
                data.append(interactive.over_time(f"{node}, {part}", [at for at, _ in known], shares, place))
    layout = {"xaxis": {"type": "date"}, "yaxis": {**interactive.axis("in use, %"), "range": [0, 103]}}
    notes = ["Since this page's server began to follow the storage."]
    return {"data": data, "layout": layout, "notes": notes}
