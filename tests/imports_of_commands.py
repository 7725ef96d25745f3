"""What the commands of `study` import, for the process of which `forked` makes them."""

import gc
from importlib import import_module

for name in (
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "ray.tune", "torch", "torch._dynamo",
    "study.analysis", "study.cli.app", "study.running.tuner",
):  # fmt: skip
    import_module(name)

gc.collect()
gc.freeze()
