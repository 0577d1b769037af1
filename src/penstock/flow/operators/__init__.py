"""The operators, by family."""

from __future__ import annotations

from penstock.flow.operators.asynchronous import Asynchronous
from penstock.flow.operators.bytes import Bytes
from penstock.flow.operators.failing import Failing
from penstock.flow.operators.fanin import FanIn
from penstock.flow.operators.fanout import FanOut
from penstock.flow.operators.folding import Folding
from penstock.flow.operators.nesting import Nesting
from penstock.flow.operators.rate import Rate
from penstock.flow.operators.simple import Simple
from penstock.flow.operators.timed import Timed


class Operators(Simple, Folding, Asynchronous, Timed, Rate, Nesting, FanIn, FanOut, Failing, Bytes):
    """All operators."""
