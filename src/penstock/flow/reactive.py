"""Reactive Streams for Python: the four contracts, as abstract classes.

The rules are those of the Reactive Streams specification 1.0.4 for the JVM, by their numbers; the kit in
`penstock.testing.reactive` checks an implementation against them, one by one. Where Java and Python differ:

- `NullPointerException` is `TypeError`: for a subscriber, a subscription or a failure that is None. An *element* may be
  None, which is a value in Python. `IllegalArgumentException` (3.9) is `ValueError`, `Throwable` is `BaseException`.
- A demand is an int; from `UNBOUNDED` on it may be taken for "all there is" (3.17).
- A signal may come in any thread, serially (1.3). Publishers of `penstock.flow` signal in the thread of their event
  loop, and take `request` and `cancel` from any thread.
- No method is a coroutine, so that an implementation fits every event loop and none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

T = TypeVar("T")
In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)

UNBOUNDED: Final = 2**63 - 1
"""The demand that means "all there is" (rule 3.17)."""


class Subscription(ABC):
    """The line between one publisher and one subscriber; only that subscriber uses it (3.1), serially (2.7)."""

    @abstractmethod
    def request(self, n: int) -> None:
        """Ask for `n` more elements; demands add up (3.8).

        It may be called from within `on_subscribe` and `on_next` (3.2), may itself signal (3.10, 3.11) with bounded
        recursion (3.3), returns soon (3.4) and never raises (3.16). After the end it does nothing (3.6).

        Args:
            n: How many, from 1; anything less ends the stream by `on_error(ValueError)` (3.9).
        """

    @abstractmethod
    def cancel(self) -> None:
        """Ask for no more: signals stop, perhaps after some that are under way (3.12).

        It may be called from any thread and any number of times (3.5, 3.7), and never raises (3.15). Afterwards the
        publisher forgets the subscriber (3.13).
        """


class Subscriber(ABC, Generic[In]):
    """Takes what a publisher gives: `on_subscribe on_next* (on_error | on_complete)?`.

    Each method returns soon (2.2) and normally (2.13), but for None in place of a subscription or a failure, which is a
    `TypeError`.
    """

    @abstractmethod
    def on_subscribe(self, subscription: Subscription) -> None:
        """Take the subscription; nothing comes before `subscription.request` (2.1).

        A second one is cancelled (2.5).
        """

    @abstractmethod
    def on_next(self, element: In) -> None:
        """Take one of the elements that were asked for; some may still come after a `cancel` (2.8)."""

    @abstractmethod
    def on_error(self, failure: BaseException) -> None:
        """Know that the stream has failed; may come without demand (2.10).

        The subscription counts as cancelled (2.4) and is not to be used in here (2.3).
        """

    @abstractmethod
    def on_complete(self) -> None:
        """Know that the stream has ended; may come without demand (2.9).

        The subscription counts as cancelled (2.4) and is not to be used in here (2.3).
        """


class Publisher(ABC, Generic[Out]):
    """Gives elements to subscribers, each by its own demand."""

    @abstractmethod
    def subscribe(self, subscriber: Subscriber[Out]) -> None:
        """Begin to serve a subscriber: `on_subscribe` comes before every other signal (1.9).

        Who cannot be served is told by `on_subscribe` and then `on_error`; this method itself returns normally.

        Args:
            subscriber: One that was not subscribed before (1.10).

        Raises:
            TypeError: If it is None.
        """


class Processor(Subscriber[In], Publisher[Out]):
    """Both at once, and bound by both contracts (4.1); a failure from above is passed on at once, or mended (4.2)."""
