"""The testing kit: drawn tables, checks of pipelines in every mode, a driver with a manual clock, kits for connectors.

Streams of `penstock.flow` run on `VirtualTime`, between the probes `TestSource` and `TestSink`.

`simulate` runs what a seed makes up, under everything that can go wrong.

Nothing here needs pytest. `penstock.testing.strategies` needs Hypothesis.
"""

from __future__ import annotations

from penstock.testing.check import check
from penstock.testing.compare import CheckFailed
from penstock.testing.driver import Driver, ManualClock
from penstock.testing.notation import T
from penstock.testing.probes import TestSink, TestSource
from penstock.testing.scene import Input, Kept, Pushed
from penstock.testing.simulated import Outcome, simulate
from penstock.testing.virtual import StuckError, VirtualTime

__all__ = [
    "CheckFailed",
    "Driver",
    "Input",
    "Kept",
    "ManualClock",
    "Outcome",
    "Pushed",
    "StuckError",
    "T",
    "TestSink",
    "TestSource",
    "VirtualTime",
    "check",
    "simulate",
]
