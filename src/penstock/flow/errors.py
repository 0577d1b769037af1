"""The exceptions of `penstock.flow`.

    PenstockError
    └── FlowError                 a stream failed by itself, not by what a user's function raised
        ├── BufferOverflowError   a buffer with `overflow="fail"` was full
        ├── RateExceededError     more elements came than `throttle(mode="enforce")` allows
        ├── StreamTimeoutError    a time-out of the stream passed
        ├── NoElementError        a sink that must give an element got none
        ├── LimitExceededError    more elements, substreams or bytes than a bound allows
        ├── CircuitOpenError      a circuit breaker refused a call
        ├── FramingError          bytes that are no frame
        ├── StreamClosedError     something was offered to a stream that has ended
        └── StreamAbortedError    a kill switch ended the stream

What a user's function raises comes out of the stream as it is.
"""

from __future__ import annotations

from penstock.core.errors import PenstockError


class FlowError(PenstockError):
    """A stream failed by itself; base of the errors of `penstock.flow`."""


class BufferOverflowError(FlowError):
    """A buffer with the strategy `fail` was full when an element came; the element is lost with the stream."""


class RateExceededError(FlowError):
    """More elements came than `throttle(mode="enforce")` allows."""


class StreamTimeoutError(FlowError):
    """A time-out of the stream passed: the message says which, and how long it was."""


class NoElementError(FlowError):
    """A stream that must give an element, for `Sink.first` or `reduce`, ended without one."""


class LimitExceededError(FlowError):
    """More elements, substreams or bytes came than a stated bound allows."""


class CircuitOpenError(FlowError):
    """A circuit breaker is open: the call was not made.

    Attributes:
        remaining_us: Microseconds until the breaker lets a call through again.
    """

    def __init__(self, message: str, remaining_us: int) -> None:
        super().__init__(message)
        self.remaining_us = remaining_us


class FramingError(FlowError):
    """Bytes that are no frame: cut off, too long, or malformed."""


class StreamClosedError(FlowError):
    """Something was offered to, or asked of, a stream that has ended or runs already."""


class StreamAbortedError(FlowError):
    """A kill switch ended the stream without another error, or what it waited for was cancelled from elsewhere."""
