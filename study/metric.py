"""What a training measures, as it declares it: name, direction, unit, and what a series of values counts as."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from study.errors import StudyError, mistakes_in

# Columns of the tables and curves in which metrics stand too.
RESERVED = frozenset(
    {"step", "steps", "key", "status", "study", "arm", "tuned", "candidate", "seed", "n", "diverged", "stopped",
     "pending", "training", "data", "facts", "published", "published_minus_ours", "figure", "pairs",
     "difference", "difference_low", "difference_high", "half_width", "p", "p_holm", "seeds_to_decide", "seeds_from",
     "seeds_to", "case_error", "training_seconds", "rate", "started",
     "device", "cpu", "torch", "ray", "python", "weights_sha256"}
)  # fmt: skip
# Beside a metric's column stand others, of these endings.
RESERVED_ENDINGS = ("_half_width", "_step")

# Metrics with a series of their own: columns of a curve besides its steps.
MOST_SERIES = 30


class Metric(BaseModel):
    """What a training measures, declared once: tables, figures, claims and schedulers go by it.

    name: as the training reports it, and as claims and published values name it.
    better: whether a higher or a lower value is the better one.
    unit: shown beside its values. "%" shows a share in [0, 1] times 100.
    counts: what a trial's series of values counts as: its "last", its "best", or its "tail", the mean of the last
        tenth, for what is measured at every step.
    of: the metric whose series this one counts. By default it has a series of its own.
    worst: what a diverged trial counts as where arms are ordered. Without one such a comparison stays undecided.
    label: what tables and figures call it; by default the name with spaces for underscores.
    cases: the fact (`Training.facts`) that holds the number of cases of which this is a share. It gives the
        binomial error that a single seed has.
    optional: it is measured with some hyperparameters only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,63}$")]
    better: Literal["higher", "lower"]
    unit: Annotated[str, Field(max_length=20)] = ""
    counts: Literal["last", "best", "tail"] = "last"
    of: str = ""
    worst: float | None = None
    label: Annotated[str, Field(max_length=100)] = ""
    cases: Annotated[str, Field(max_length=100)] = ""
    optional: bool = False

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            named = f"metric {fields.get('name', '')!r}: "
            raise StudyError(*(named + mistake for mistake in mistakes_in(error, type(self)))) from None

    @field_validator("name")
    @classmethod
    def _is_no_column(cls, name: str) -> str:
        if name in RESERVED or name.endswith(RESERVED_ENDINGS):
            raise ValueError("is the name of a column of our own; call it otherwise")
        return name

    @model_validator(mode="after")
    def _has_a_series(self) -> Metric:
        if self.of == self.name:
            raise ValueError(f"of = {self.of!r}: names another metric")
        return self

    def text(self, value: float) -> str:
        """A value with what it is of: `hit rate 97.20 %`."""
        number = f"{value * self.scale:.2f}" if self.unit == "%" else f"{value:.4g}"
        return f"{self.label or self.name.replace('_', ' ')} {number} {self.unit}".rstrip()

    @property
    def series(self) -> str:
        """The metric whose values it counts."""
        return self.of or self.name

    @property
    def scale(self) -> float:
        """What a value is multiplied by where it is shown."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def title(self) -> str:
        """For a column or an axis: `hit rate, %`."""
        label = self.label or self.name.replace("_", " ")
        return f"{label}, {self.unit}" if self.unit else label

    def value_of(self, values: Any) -> float | None:
        """What a series, an array [n] of its values in the order of steps, counts as; None where n is 0."""
        if not len(values):
            return None
        if self.counts == "last":
            return float(values[-1])
        if self.counts == "best":
            return float(values.max() if self.better == "higher" else values.min())
        return float(values[-max(1, len(values) // 10) :].mean())

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is."""
        return 1 if self.better == "higher" else -1


def higher(name: str, unit: str = "", **more: Any) -> Metric:
    """A metric whose higher values are better: `study.higher("hit_rate", "%")`. `more` as in Metric."""
    return Metric(name=name, better="higher", unit=unit, **more)


def lower(name: str, unit: str = "", **more: Any) -> Metric:
    """A metric whose lower values are better: `study.lower("val_loss", "nats")`. `more` as in Metric."""
    return Metric(name=name, better="lower", unit=unit, **more)
