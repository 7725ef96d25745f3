"""What a field of the store's records may hold."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# A count that analysis can compute with.
Count = Annotated[int, Field(ge=0, lt=2**53)]
# A label, a title, a name; and a sentence. Tables and figures of longer ones would fill the memory.
MOST_IN_SENTENCE = 10_000
Label = Annotated[str, Field(max_length=1000)]
Sentence = Annotated[str, Field(max_length=MOST_IN_SENTENCE)]
# Metrics, or facts, of a trial.
MOST_NUMBERS = 200


class Record(BaseModel):
    """Read as it is: a number is not made of a text."""

    # Built when the first is read: a command reads few of the kinds that there are.
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, defer_build=True)


def _not_long(overrides: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(overrides)) > MOST_IN_SENTENCE:
        raise ValueError(f"has more than {MOST_IN_SENTENCE:,} characters")
    return overrides


# Hyperparameters that tables and the report show.
Overrides = Annotated[dict[str, Any], AfterValidator(_not_long)]


Values = Annotated[dict[Label, float], Field(max_length=MOST_NUMBERS)]


def moment(told: str) -> float:
    """A moment in ISO 8601 as seconds since 1970; 0 where the text, which somebody else may have written, is none."""
    try:
        return max(0.0, datetime.fromisoformat(told).timestamp())
    except (ValueError, OverflowError):
        return 0.0
