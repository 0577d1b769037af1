"""Numbers, times and lengths of time for people."""

from __future__ import annotations

from penstock.core.timespan import END, NEVER, instant_text

_SPANS = (
    (365 * 86_400_000_000, "year"),
    (86_400_000_000, "day"),
    (3_600_000_000, "h"),
    (60_000_000, "min"),
    (1_000_000, "s"),
)


def number(value: float) -> str:
    """A number with at most three digits that matter: `950`, `1.2 K`, `34 M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def rate(rows: int, microseconds: int) -> str:
    """Rows per second."""
    return f"{number(rows * 1e6 / max(microseconds, 1))} rows/s"


def rows(count: int, noun: str = "row", nouns: str | None = None) -> str:
    """How many rows, or whatever: `1 row`, `1,095 rows`, `2 entries`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def size(count: int) -> str:
    """Bytes."""
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def span(microseconds: int) -> str:
    """A length of time in its greatest unit: `1.2 s`, `3 h`, `12.9 years`."""
    for length, unit in _SPANS:
        if abs(microseconds) >= length:
            count = microseconds / length
            shown = f"{count:.1f}".removesuffix(".0") if abs(count) < 100 else f"{count:.0f}"
            plural = "s" if unit in ("day", "year") and shown not in ("1", "-1") else ""
            return f"{shown} {unit}{plural}"
    return f"{microseconds / 1e3:.0f} ms"


def watermark(instant: int) -> str:
    """A watermark: an instant in UTC, or that there is none, or that all input has ended."""
    if instant <= NEVER + 1:
        return "none yet"
    return "end" if instant >= END else instant_text(instant)
