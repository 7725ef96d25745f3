"""What we use of matplotlib, imported so that it reads no settings of the current folder."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

_found = importlib.util.find_spec("matplotlib")
assert _found is not None, "matplotlib is not installed"
assert _found.origin is not None

# When it is first imported, matplotlib reads ./matplotlibrc before any other settings. In a folder that
# somebody handed over, that may be a pipe, without end, or full of what a terminal obeys. So its own defaults
# are made ./matplotlibrc for that moment. Only `import matplotlib` itself belongs in here: what follows may
# have to find a relative MPLCONFIGDIR.
with contextlib.chdir(Path(_found.origin).with_name("mpl-data")):
    import matplotlib  # noqa: F401

from matplotlib import colormaps, style  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.cm import ScalarMappable  # noqa: E402
from matplotlib.colors import Normalize  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

__all__ = ["Axes", "Figure", "FigureCanvasAgg", "Normalize", "ScalarMappable", "colormaps", "style"]
