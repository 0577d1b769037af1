"""The operators, by family."""

from __future__ import annotations

from penstock.flow.operators.asynchronous import Asynchronous
from penstock.flow.operators.rate import Rate
from penstock.flow.operators.simple import Simple


class Operators(Simple, Asynchronous, Rate):
    """All operators."""
