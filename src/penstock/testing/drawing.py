"""The door to Hypothesis: it is needed for strategies only, and says so where it is missing."""

from __future__ import annotations

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "the strategies of penstock.testing need Hypothesis: pip install hypothesis", name=missing.name
    ) from missing

__all__ = ["DrawFn", "SearchStrategy", "st"]
