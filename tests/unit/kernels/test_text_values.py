"""Texts to numbers and moments, compiled and as plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.kernels import text_values
from penstock.kernels.arrays import frozen
from penstock.kernels.text_spans import TEXT
from tests.unit.kernels.blocks import spans

pytestmark = pytest.mark.usefixtures("kernels")


def parsed(kernel, *texts, work=True):
    data, starts, ends = spans(*(text.encode() for text in texts))
    kinds = frozen(np.full(len(texts), TEXT, dtype=np.uint8))
    values, fine = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=np.uint8)
    kernel(data, starts, ends, kinds, TEXT, values, fine, *([np.zeros(3, dtype=np.int64)] if work else []))
    return [int(value) if good else None for value, good in zip(values, fine, strict=True)], fine.tolist()


def test_numbers_and_moments():
    limits = ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "x"]
    assert parsed(text_values.parse_integers, *limits, work=False)[0] == [2**63 - 1, -(2**63), None, None, None]
    assert parsed(text_values.parse_dates, "1970-01-02", "2000-02-29", "1900-02-29", "-0001-01-01")[0][:3] == [
        1,
        11016,
        None,
    ]
    assert parsed(text_values.parse_times, "00:00:01.5", "1:00", "23:59:59.9999999999")[0] == [
        1_500_000_000, None, 86_399_999_999_999,
    ]  # fmt: skip
    assert parsed(text_values.parse_instants, "1970-01-01T01:00+01:00", "1970-01-01 00:00:01", "1970-01-02") == (
        [0, 1_000_000, 86_400_000_000],
        [text_values.ZONED, text_values.LOCAL, text_values.LOCAL],
    )
    assert parsed(text_values.parse_durations, "P1DT2H3M4.5S", "-PT1S", "PT")[0] == [93_784_500_000, -1_000_000, None]
