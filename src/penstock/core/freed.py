"""What becomes of memory that arrays have freed: the C library keeps it, or gives it back."""

from __future__ import annotations

import contextlib

LARGEST_KEPT = 32 << 20
"""Arrays up to so many bytes are used again once they are freed: what a step makes is no larger."""

MOST_KEPT = 128 << 20
"""How much freed memory the process keeps at most at the end of its heap."""

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h


def keep_freed(most: int = MOST_KEPT) -> None:
    """Let what the arrays of a step take stay with the process when they are freed, up to some bytes.

    Else the C library gives large arrays back at once, and every step asks the system for the same pages again: up to
    half the time of steps that touch many keys. Only where the library is that of GNU; elsewhere nothing is changed.

    Args:
        most: How many bytes it keeps at most.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, min(most, LARGEST_KEPT))
        library.mallopt(_TRIM_THRESHOLD, most)


def give_back_freed() -> None:
    """Give back what `keep_freed` has kept: before memory is measured against a budget."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
