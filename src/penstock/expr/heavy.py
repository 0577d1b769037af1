"""Heavy hitters in plain Python: Space-Saving, one row after the other, with weights that halve as time goes by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.expr.values import equal, less


@dataclass
class Counter:
    """A counter.

    Attributes:
        value: The value that has it.
        weight: How much it has come to, at the instant of the exponent.
        error: How much of that may be of others.
    """

    value: Any
    weight: float
    error: float


def counters_of(rows: Sequence[tuple[Any, int]], size: int, half_life: int) -> tuple[list[Counter], int]:
    """The counters after some rows, each a value and its time in microseconds; and their exponent.

    A counter is given to whoever comes while there are some; then to a new value in the place of the least, of several
    that which was given first.
    """
    kept: list[Counter] = []
    top = 0
    for number, (value, time) in enumerate(rows):
        exponent = time // half_life if half_life else 0
        if exponent > top or number == 0:
            for one in kept:
                one.weight, one.error = one.weight * 2.0 ** (top - exponent), one.error * 2.0 ** (top - exponent)
            top = exponent
        share = 2.0 ** ((time - exponent * half_life) / half_life) if half_life else 1.0
        weight = share * 2.0 ** (exponent - top)
        found = next((one for one in kept if equal(one.value, value)), None)
        if found is not None:
            found.weight += weight
        elif len(kept) < size:
            kept.append(Counter(value, weight, 0.0))
        else:
            least = min(kept, key=lambda one: one.weight)
            kept.remove(least)
            kept.append(Counter(value, least.weight + weight, least.weight))
    return kept, top


def heaviest(rows: Sequence[tuple[Any, int]], size: int, most: int, half_life: int) -> list[tuple[Any, float, float]]:
    """The heaviest values, with weight and error as of the latest row."""
    kept, top = counters_of(rows, size, half_life)
    latest = max(time for _, time in rows)
    scale = 2.0 ** (-(latest - top * half_life) / half_life) if half_life else 1.0
    ordered: list[Counter] = []
    for one in kept:
        ahead = (place for place, other in enumerate(ordered) if _before(one, other))
        ordered.insert(next(ahead, len(ordered)), one)
    return [(one.value, one.weight * scale, one.error * scale) for one in ordered[:most]]


def _before(one: Counter, other: Counter) -> bool:
    same = math.isclose(one.weight, other.weight, rel_tol=1e-15)
    return less(one.value, other.value) if same else one.weight > other.weight
