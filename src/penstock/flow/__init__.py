"""Reactive streams: sources, flows and sinks that compose, with back-pressure, bounded buffers and safe resources.

from penstock import flow

total = await flow.Source.from_iterable(range(10)).map(abs).run(flow.Sink.fold(0, int.__add__))
"""

from __future__ import annotations

from penstock.flow.adaptive import Degradation, Rate, adapt_rate, degrade
from penstock.flow.backoff import Backoff, CircuitBreaker
from penstock.flow.bite import BlockingWarning
from penstock.flow.clock import Clock, Signal, SystemClock
from penstock.flow.errors import (
    BufferOverflowError,
    CircuitOpenError,
    FlowError,
    FramingError,
    LimitExceededError,
    NoElementError,
    RateExceededError,
    StreamAbortedError,
    StreamClosedError,
    StreamTimeoutError,
)
from penstock.flow.graph import Feedback, Graph
from penstock.flow.hubs import BroadcastHub, MergeHub, PartitionHub
from penstock.flow.interop import (
    from_observable,
    from_publisher,
    observe,
    to_processor,
    to_publisher,
    to_subscriber,
)
from penstock.flow.load import CpuSensor, Governor, Hysteresis, LatencySensor, MemorySensor, highest
from penstock.flow.queue import SourceQueue
from penstock.flow.reactive import Processor, Publisher, Subscriber, Subscription
from penstock.flow.running import Running
from penstock.flow.shapes import Flow, Runnable, Sink, Source
from penstock.flow.shedding import Shed, Weighted, shed_by_priority, shed_by_sampling
from penstock.flow.spill import Spill
from penstock.flow.stage import KillSwitch, StageStatistics

__all__ = [
    "Backoff",
    "BlockingWarning",
    "BroadcastHub",
    "BufferOverflowError",
    "CircuitBreaker",
    "CircuitOpenError",
    "Clock",
    "CpuSensor",
    "Degradation",
    "Feedback",
    "Flow",
    "FlowError",
    "FramingError",
    "Governor",
    "Graph",
    "Hysteresis",
    "KillSwitch",
    "LatencySensor",
    "LimitExceededError",
    "MemorySensor",
    "MergeHub",
    "NoElementError",
    "PartitionHub",
    "Processor",
    "Publisher",
    "Rate",
    "RateExceededError",
    "Runnable",
    "Running",
    "Shed",
    "Signal",
    "Sink",
    "Source",
    "SourceQueue",
    "Spill",
    "StageStatistics",
    "StreamAbortedError",
    "StreamClosedError",
    "StreamTimeoutError",
    "Subscriber",
    "Subscription",
    "SystemClock",
    "Weighted",
    "adapt_rate",
    "degrade",
    "from_observable",
    "from_publisher",
    "highest",
    "observe",
    "shed_by_priority",
    "shed_by_sampling",
    "to_processor",
    "to_publisher",
    "to_subscriber",
]
