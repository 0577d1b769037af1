"""A subscriber that is the beginning of a stream: what a publisher gives, pulled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.flow.clock import Signal
from penstock.flow.errors import FlowError, StreamClosedError
from penstock.flow.home import Home
from penstock.flow.reactive import Subscriber, Subscription
from penstock.flow.stage import Context, Stage


def given(value: Any, what: str) -> Any:
    """What must not be None.

    Raises:
        TypeError: If it is (rules 1.9 and 2.13).
    """
    if value is None:
        raise TypeError(f"{what} is None")
    return value


class Inlet(Subscriber[Any]):
    """Keeps up to `size` elements that were asked for; asks for more when half of them are taken.

    Signals may come in any thread. Nothing is asked for before somebody pulls.

    Attributes:
        ended: Whether the publisher has completed or failed.
        closed: Whether nobody pulls any more.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.home = Home()
        self.ended = self.closed = self.started = False
        self.signal = Signal()
        self.listener: Callable[[], None] | None = None
        self._failure: BaseException | None = None
        self._subscription: Subscription | None = None
        self._items: deque[Any] = deque()
        self._open = 0  # requested and not come yet

    def __len__(self) -> int:
        return len(self._items)

    # -- signals, in any thread ------------------------------------------------

    def on_subscribe(self, subscription: Subscription) -> None:
        """Take the subscription, unless there is one, or nobody pulls any more: then it is cancelled."""
        self.home.call(self._subscribed, given(subscription, "the subscription"))

    def on_next(self, element: Any) -> None:
        """Keep an element."""
        self.home.call(self._came, element)

    def on_error(self, failure: BaseException) -> None:
        """Fail the stream, behind what is kept."""
        self.home.call(self._end, given(failure, "the failure"))

    def on_complete(self) -> None:
        """Complete the stream, behind what is kept."""
        self.home.call(self._end, None)

    # -- the same, in the thread of the event loop -----------------------------

    def _subscribed(self, subscription: Subscription) -> None:
        if self._subscription is not None or self.closed or self.ended:
            subscription.cancel()
            return
        self._subscription = subscription
        self._ask()

    def _came(self, element: Any) -> None:
        if self.closed or self.ended:
            return  # under way when it was cancelled (2.8)
        if not self._open:
            self.cancel()
            self._end(FlowError("the publisher gave more elements than were requested (rule 1.1)"))
            return
        self._open -= 1
        self._items.append(element)
        self.signal.notify()

    def _end(self, failure: BaseException | None) -> None:
        if self.ended or self.closed:
            return
        self.ended, self._failure = True, failure
        self._subscription = None
        self.signal.notify()
        if self.listener is not None:
            self.listener()

    # -- pulled ----------------------------------------------------------------

    def _ask(self) -> None:
        """Ask for more once half of what is kept was taken (2.1)."""
        missing = self.size - self._open - len(self._items)
        if self.started and self._subscription is not None and missing * 2 >= self.size:
            self._open += missing
            self._subscription.request(missing)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        self.started = True
        while True:
            self._ask()
            if self._items:
                return self._take(most)
            if self.ended:
                if self._failure is None:
                    return []
                if isinstance(self._failure, Exception):
                    raise self._failure
                raise FlowError(f"the publisher failed: {self._failure!r}") from self._failure
            await self.signal.wait()

    def _take(self, most: int) -> list[Any]:
        items = self._items
        chunk = [items.popleft() for _ in range(min(most, len(items)))]
        self._ask()
        return chunk

    def cancel(self) -> None:
        """Ask the publisher for no more."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.cancel()

    def close(self) -> None:
        """Nobody pulls any more."""
        if not self.closed:
            self.closed = True
            self._items.clear()
            self.cancel()

    def open(self, context: Context) -> Stage:
        """The stage that pulls from here.

        Raises:
            StreamClosedError: If there was one already.
        """
        if self.started or self.closed:
            raise StreamClosedError("what one subscriber is given can be read once")
        return Intake(context, self)


class Intake(Stage):
    """The stage of an inlet."""

    def __init__(self, context: Context, inlet: Inlet) -> None:
        super().__init__(self, context)
        self.inlet = inlet

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        return await self.inlet.pull(most)

    def buffered(self) -> int:
        """How many elements it keeps."""
        return len(self.inlet)

    async def close(self) -> None:
        """Cancel the subscription."""
        self.inlet.close()
