"""The operators, by family."""

from __future__ import annotations

from penstock.flow.operators.simple import Simple


class Operators(Simple):
    """All operators."""
