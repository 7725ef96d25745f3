"""Which cases of its test set a trial answered right, as a field of its result: a bit for each case. N cases."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from study.store.fields import Record

# Of all metrics of a trial together: 1.7 MB of a result's 8 MiB.
MOST_CASES = 10_000_000

Answers = npt.NDArray[np.bool_]


class CasesRecord(Record):
    """One metric's: `bits` is numpy.packbits of an array bool [n], in base64."""

    n: Annotated[int, Field(ge=1, le=MOST_CASES)]
    bits: str

    @model_validator(mode="after")
    def _bits_fit(self) -> CasesRecord:
        _packed(self.n, self.bits)
        return self


def encoded_cases(correct: Answers) -> dict[str, Any]:
    """An array bool [N] as a CasesRecord."""
    return {"n": len(correct), "bits": base64.b64encode(np.packbits(correct).tobytes()).decode()}


def decoded_cases(field: Mapping[str, Any]) -> Answers:
    """The array bool [N] that was encoded. Raises ValueError where none was."""
    record = CasesRecord.model_validate(field)
    packed = np.frombuffer(_packed(record.n, record.bits), np.uint8)
    return np.unpackbits(packed, count=record.n).view(bool)


def _packed(n: int, bits: str) -> bytes:
    """The bytes of n packed bits. Raises ValueError where `bits` is anything but what was written of them."""
    letters = 4 * -(-n // 24)  # four for every three bytes, the last of which may be lacking
    if len(bits) != letters:
        raise ValueError(f"{n:,} cases take {letters:,} letters of base64, not {len(bits):,}")
    try:
        packed = binascii.a2b_base64(bits, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"its bits are no base64: {error}") from None
    # Encoded again, since several letters may stand for the last byte.
    if len(packed) != -(-n // 8) or base64.b64encode(packed).decode() != bits:
        raise ValueError(f"its bits are not written as those of {n:,} cases are")
    if n % 8 and packed[-1] & (0xFF >> n % 8):
        raise ValueError(f"bits are set beyond its {n:,} cases")
    return packed
