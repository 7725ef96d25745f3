"""What we use of matplotlib, imported so that it reads no settings of the current folder."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path

_found = importlib.util.find_spec("matplotlib")
assert _found is not None, "matplotlib is not installed"
assert _found.origin is not None


def _is_missing(backend: str) -> bool:
    package = backend.removeprefix("module://").partition(".")[0]
    return backend.startswith("module://") and importlib.util.find_spec(package) is None


# A notebook tells all that it starts of its backend, which another environment need not have; we need none.
_backend = os.environ.get("MPLBACKEND", "")
if _is_missing(_backend):
    del os.environ["MPLBACKEND"]

# When it is first imported, matplotlib reads ./matplotlibrc before any other settings. In a folder that
# somebody handed over, that may be a pipe, without end, or full of what a terminal obeys. So its own defaults
# are made ./matplotlibrc for that moment. Only `import matplotlib` itself belongs in here: what follows may
# have to find a relative MPLCONFIGDIR.
with contextlib.chdir(Path(_found.origin).with_name("mpl-data")):
    import matplotlib  # noqa: F401
if _is_missing(_backend):
    os.environ["MPLBACKEND"] = _backend

from matplotlib import colormaps, style  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.cm import ScalarMappable  # noqa: E402
from matplotlib.colors import Normalize, to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

__all__ = ["Axes", "Figure", "FigureCanvasAgg", "Normalize", "ScalarMappable", "colormaps", "style", "to_hex"]
