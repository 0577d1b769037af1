"""Small tables for people: aligned columns, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

WIDEST = 60


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table; numbers stand at the right, a text that is too long is cut."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    right = [bool(rows) and all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(header))]
    return [_line(line, widths, right) for line in (list(header), *texts)]


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    text = f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
    text = text.replace("\n", "\\n")
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
    return "  ".join(padded).rstrip()
