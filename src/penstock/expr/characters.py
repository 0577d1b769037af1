"""Sets of characters as ranges of code points: the classes of patterns, by Unicode's categories."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
WHITE_SPACE: Ranges = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
"""Unicode's White_Space; Python's own `str.isspace` counts some control characters too."""

# Alphabetic characters that are neither letters, marks nor letter numbers: circled and squared letters.
_CIRCLED: Ranges = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_JOINERS: Ranges = ((0x200C, 0x200D),)

POSIX: dict[str, Ranges] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": ((0x30, 0x39),),
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}

CATEGORIES: dict[str, str] = {
    "C": "cfnos", "L": "lmotu", "M": "cen", "N": "dlo", "P": "cdefios", "S": "ckmo", "Z": "lps",
}  # fmt: skip
"""The general categories of Unicode: classes, and the second letters of what is in them."""


def is_category(name: str) -> bool:
    """Whether there is a general category of this name, such as `L` or `Lu`."""
    return name in CATEGORIES or (len(name) == 2 and name[1] in CATEGORIES.get(name[0], ""))


def union(parts: Iterable[Ranges]) -> Ranges:
    """The characters that are in any of some sets, as few ranges as possible."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(one for part in parts for one in part):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    gaps, start = [], 0
    for first, last in union([ranges]):
        if first > start:
            gaps.append((start, first - 1))
        start = last + 1
    return tuple(gaps) if start > LAST else (*gaps, (start, LAST))


@cache
def _by_category() -> dict[str, Ranges]:
    found: dict[str, list[tuple[int, int]]] = {}
    previous, start = "", 0
    for point in range(LAST + 2):
        category = unicodedata.category(chr(point)) if point <= LAST else ""
        if category != previous:
            if previous:
                found.setdefault(previous, []).append((start, point - 1))
            previous, start = category, point
    return {name: tuple(ranges) for name, ranges in found.items()}


@cache
def category(name: str) -> Ranges:
    """The characters of a general category, such as `L` or `Lu`."""
    return union(ranges for own, ranges in _by_category().items() if own.startswith(name))


@cache
def word() -> Ranges:
    r"""What `\w` matches: letters, marks, decimal digits, letter numbers, connecting punctuation, joiners."""
    return union([*(category(name) for name in ("L", "M", "Nd", "Nl", "Pc")), _CIRCLED, _JOINERS])
