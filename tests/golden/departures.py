"""Where the results differ from Flink's, and why."""

from __future__ import annotations

FUNCTIONS: dict[str, str] = {}
"""Function cases, by their text, or by family and text."""

NULLABLE: dict[str, str] = {}
"""Function cases whose values and type are equal, but not whether they may be null."""
