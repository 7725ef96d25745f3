"""Nothing is lost: about fifty of the faults of `make chaos`, and the invariants after each."""

from __future__ import annotations

SEED = 0
