"""How accumulators are read and taken apart: arrays from the words of many slots at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.lazy import np
from penstock.kernels import accumulate, accumulate_floats
from penstock.kernels.inverse import unmerge_count, unmerge_sum


def _read_count(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather(table, column, slots)


def _read_sum(table: Any, floats: Any, column: int, slots: Any) -> Any:
    sums, fits = np.empty(len(slots), np.int64), np.empty(len(slots), np.bool_)
    total = np.empty(len(slots), np.float64)
    accumulate.read_sum(table, column, slots, sums, fits)
    accumulate.read_sum_as_float(table, column, slots, total)
    return sums, fits, total


def _read_float_sum(table: Any, floats: Any, column: int, slots: Any) -> Any:
    sums, counts = np.empty(len(slots), np.float64), np.empty(len(slots), np.int64)
    accumulate_floats.read_float_sum(table, floats, column, slots, sums, counts)
    return sums, counts


def _read_float(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather_floats(floats, column, slots)


def _read_variance(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return (
        accumulate.gather(table, column, slots),
        accumulate.gather_floats(floats, column + 1, slots),
        accumulate.gather_floats(floats, column + 2, slots),
        accumulate.gather(table, column + 3, slots),
    )


def _read_kept(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather(table, column + 1, slots), accumulate.gather(table, column, slots) == 1


def _read_kept_float(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather_floats(floats, column + 1, slots), accumulate.gather(table, column, slots) == 1


def _read_covariance(table: Any, floats: Any, column: int, slots: Any) -> Any:
    counts = [accumulate.gather(table, column + word, slots) for word in range(2)]
    return (*counts, *(accumulate.gather_floats(floats, column + word, slots) for word in range(2, 7)))


READERS: dict[str, Callable[..., Any]] = {
    "count": _read_count,
    "sum": _read_sum,
    "float_sum": _read_float_sum,
    "min": _read_count,
    "max": _read_count,
    "float_min": _read_float,
    "float_max": _read_float,
    "variance": _read_variance,
    "first": _read_kept,
    "last": _read_kept,
    "float_first": _read_kept_float,
    "float_last": _read_kept_float,
    "covariance": _read_covariance,
}
"""How the words of each kind of accumulator are read; what each gives is said at `Words`."""


INVERSES: dict[str, Callable[..., Any]] = {"count": unmerge_count, "sum": unmerge_sum}
"""The kinds of accumulators that can be taken apart again exactly, and how."""
