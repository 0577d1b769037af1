"""In which order rows are: columns, each with its direction and the place of null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any


@dataclass(frozen=True)
class SortKey:
    """One column of an order.

    NaN is the greatest number; texts are in the order of their UTF-8 bytes.

    Attributes:
        column: The column.
        descending: Whether the greatest value comes first.
        nulls_first: Whether null comes first. Flink: null is the least, so first ascending and last descending.
    """

    column: str
    descending: bool = False
    nulls_first: bool = True

    def __str__(self) -> str:
        default = self.nulls_first != self.descending
        nulls = "" if default else f" nulls {'first' if self.nulls_first else 'last'}"
        return f"{self.column}{' descending' if self.descending else ''}{nulls}"


def compare_values(a: Any, b: Any, key: SortKey) -> int:
    """Two Python values by a sort key: negative if the first comes first, 0 if they are equal."""
    if a is None or b is None:
        if a is None and b is None:
            return 0
        return -1 if (a is None) == key.nulls_first else 1
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    found = int(a != a) - int(b != b) if a != a or b != b else int(a > b) - int(a < b)
    return -found if key.descending else found


def row_order(keys: Sequence[SortKey]) -> Callable[[dict[str, Any]], Any]:
    """A `key` for `sorted`: rows, as dicts, in an order."""

    def compare(one: dict[str, Any], other: dict[str, Any]) -> int:
        for key in keys:
            found = compare_values(one[key.column], other[key.column], key)
            if found:
                return found
        return 0

    return cmp_to_key(compare)
